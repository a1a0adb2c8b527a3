"""The registry of stages, beside the files of `training` and the registry of objectives."""

import ast
from pathlib import Path

import pytest

from training.settings.loop import LoopSettings
from training.stages import STAGES, Stage
from transforms.pairs.objectives import OBJECTIVES

FOLDER = Path(__file__).resolve().parents[2] / "training"


def functions(stage: Stage) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((FOLDER / f"{stage.name}.py").read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def parameters(function: ast.FunctionDef) -> list[str]:
    return [one.arg for one in (*function.args.args, *function.args.kwonlyargs)]


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_stage_is_a_function_and_a_command_with_the_registered_parameters(stage: Stage) -> None:
    found = functions(stage)
    trained, command = (parameters(found[name]) for name in (f"train_{stage.name}", "main"))
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
