"""The stages: their registry, files and commands, beside the registry of objectives."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from training.settings.loop import LoopSettings
from training.stages import STAGES, Stage
from transforms.pairs.objectives import OBJECTIVES

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = sorted(path.stem for path in (ROOT / "training" / "commands").glob("[!_]*.py"))
HELP = """
import json, runpy, sys
HEAVY = {"torch", "transformers", "trl", "vllm", "accelerate", "datasets"}
loaded = {}
for stage in sys.argv[1:]:
    sys.argv = [stage, "--help"]
    try:
        runpy.run_module(f"training.{stage}", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        loaded[stage] = [ended.code, sorted(HEAVY & sys.modules.keys())]
print(json.dumps(loaded))
"""


def functions(file: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((ROOT / "training" / file).read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def parameters(function: ast.FunctionDef) -> list[str]:
    return [one.arg for one in (*function.args.args, *function.args.kwonlyargs)]


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_stage_is_a_function_and_a_command_with_the_registered_parameters(stage: Stage) -> None:
    found = functions(f"{stage.name}.py")
    trained = parameters(found[f"train_{stage.name}"])
    command = parameters(functions(f"commands/{stage.name}.py")["main"])
    assert {stage.start, *stage.models} <= set(trained) & set(command)
    assert stage.rows == command[0]
    assert parameters(found["load_maker"]) == [stage.start, "settings"]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_has_a_stage_and_a_group_of_settings(name: str) -> None:
    loop = LoopSettings.model_validate({"objective": name})
    assert isinstance(loop.resolve_training(), STAGES[name].settings)
    fields = STAGES[name].settings.model_fields
    assert OBJECTIVES[name].computes_rewards == ("rewards" in fields)
    assert OBJECTIVES[name].takes_reference == (name != "raft")


def test_an_unknown_objective_is_refused() -> None:
    with pytest.raises(ValueError, match="the objectives are dpo, "):
        LoopSettings.model_validate({"objective": "ppo"})


def test_every_stage_has_a_command() -> None:
    others = {"__init__", "recipe_file", "stages"}
    assert {path.stem for path in (ROOT / "training").glob("*.py")} == {*COMMANDS, *others}


def test_the_help_of_a_stage_loads_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELP, *COMMANDS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == {stage: [0, []] for stage in COMMANDS}
    assert done.stdout.count("Usage: ") == len(COMMANDS)
