"""The recipe of the guide about a user's own model: its assets, its plan, and a run of it."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from assets.graph import build_definitions
from assets.staleness import name_of
from training.models.initial_model import make_tiny_model
from training.recipe_file import load_recipe
from training.settings.model import TinyModelSettings
from transforms.lake.lake import Lake
from transforms.views.query import check, connect, report
from transforms.views.statements import list_checks

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "guide" / "own_model.md").read_text(encoding="utf-8")
(RECIPE,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.S)
(CODE,) = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
CHAIN = ("generations", "scores", "dpo_pairs", "policy")
QUESTIONS = [f"What is {first} plus {second}?" for first in range(12) for second in range(10)]
SMALL = (
    "model.dtype=float32",
    "splits.prompts_per_iteration=16",
    "splits.evaluation_prompts=8",
    "splits.validation_prompts=6",
    "loop.sampling.max_context_tokens=128",
    "loop.sampling.max_tokens=16",
    "loop.dpo={batch_size: 8, micro_batch_size: 8, max_tokens: 128}",
    "evaluation.samples=2",
)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    tiny = TinyModelSettings(layers=1)
    make_tiny_model(
        tiny,
        [[{"role": "user", "content": one}, {"role": "assistant", "content": "It is 7."}]
         for one in QUESTIONS],
        folder / "my-instruct-model",
        seed=0,
    )  # fmt: skip
    lines = [json.dumps({"prompt": question}) for question in QUESTIONS]
    (folder / "questions.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "rewards.py").write_text(CODE, encoding="utf-8")
    (folder / "own_reward.yaml").write_text(RECIPE, encoding="utf-8")
    return folder / "own_reward.yaml"


def run(*words: str) -> str:
    ran = CliRunner().invoke(app, [*words], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.output


def with_overrides(overrides: tuple[str, ...] = SMALL) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


def test_the_recipe_has_twelve_lines_and_exactly_the_assets_whose_data_it_has(recipe):
    assert len(RECIPE.splitlines()) <= 12
    definitions = build_definitions(load_recipe(recipe), "unused")
    graph = definitions.resolve_asset_graph()
    assert {name_of(key) for key in graph.get_all_asset_keys()} == {
        "raw_questions", "prompts", "prompt_splits", "dropped_rows", "initial_model",
        *(f"{group}/{noun}" for group in ("iteration_1", "one_shot") for noun in CHAIN),
        "baseline_evaluation", "evaluation", "selected_policy",
        "response_lengths", "iteration_progress", "reward_by_kl",
    }  # fmt: skip
    upstream = {
        name_of(key): {name_of(one) for one in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }
    assert upstream["baseline_evaluation"] == {
        "prompts", "prompt_splits", "initial_model", "one_shot/policy",
    }  # fmt: skip
    assert upstream["iteration_1/policy"] == {"iteration_1/dpo_pairs", "initial_model"}
    groups = {name_of(key): graph.get(key).group_name for key in graph.get_all_asset_keys()}
    assert groups["initial_model"] == "initial_policy"
    assert not {"sft", "reward", "preferences"} & {*groups.values()}


def test_the_plan_accepts_it(recipe, tmp_path):
    planned = run("plan", str(recipe), "--home", str(tmp_path), *with_overrides())
    assert "evaluation" in planned
    assert not {"sft_policy", "offline_dpo", "reward_model"} & {*planned.split()}


@pytest.mark.slow
def test_it_runs_from_the_folder_to_the_reports(recipe, tmp_path):
    words = ("--home", str(tmp_path), *with_overrides())
    run("run", str(recipe), *words)
    lake = Lake(tmp_path / "lake")
    scores = lake.read("scores").join(
        lake.read("generations"), on=["experiment", "iteration", "prompt_id", "response_index"]
    )
    assert scores["reward"].to_list() == [-float(len(text)) for text in scores["response"]]
    answers = lake.read("evaluation_responses")
    assert set(answers["model"]) == {"initial_model", "one_shot/policy", "iteration_1/policy"}
    assert answers["reward"].to_list() == [-float(len(text)) for text in answers["response"]]
    with connect(lake) as connection:
        failures = {name: check(connection, name) for name in list_checks()}
        progress = report(connection, "iteration_progress").filter(decoding="sampled")
        outcomes = report(connection, "experiment_outcomes").filter(decoding="sampled")
    assert {name: rows for name, rows in failures.items() if not rows.is_empty()} == {}
    first = progress.row(0, named=True)
    assert (first["model"], first["kl_to_initial"]) == ("initial_model", pytest.approx(0, abs=1e-4))
    assert progress["win_rate_reward"].null_count() == 1  # pi_0 against itself
    assert outcomes["experiment"].to_list() == ["initial_model", "one_shot", "iterative"]
    page = tmp_path / "page.html"
    run("report", "--html", "--home", str(tmp_path), "--output", str(page))
    assert "SFT policy" not in page.read_text(encoding="utf-8")
    trained = lake.read("checkpoints", asset="iteration_1/policy")["checkpoint_id"][0]
    assert "reference initial_model" in run("lineage", trained, "--home", str(tmp_path))
    # nothing is stale, so a second run makes nothing
    made = lake.height("materializations")
    run("run", str(recipe), *words)
    assert lake.height("materializations") == made
