"""Checks that warn before training: the real asset of a slice's pairs, on literal responses."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from assets.cli.study_run.check_results import print_concerns
from assets.declare import asset_key
from assets.home import ROOT
from assets.logger import CONSOLE
from assets.loop import iterations
from assets.resources import LakeResource
from assets.study import Study
from transforms.lake.lake import Lake
from transforms.lake.records import materializations
from transforms.lake.schemas import schema_of
from transforms.views.query import connect, report

PROMPTS = 8


def fill(lake: Lake, words: int) -> None:
    """Write what the pairs are made of: of a prompt's three responses the longest is the best."""
    key = {"experiment": "iterative", "iteration": 1}
    rows = [
        {**key, "prompt_id": f"p{p}", "response_index": n, "response": f"{p} " + "so " * n * words,
         "response_chars": 2 + 3 * n * words, "response_tokens": 1 + n * words,
         "finish_reason": "stop", "ranker": "reward_model", "ranker_id": "rm", "reward": float(n)}
        for p in range(PROMPTS)
        for n in range(3)
    ]  # fmt: skip
    prompts = [
        {"prompt_id": f"p{p}", "prompt": [{"role": "user", "content": "?"}]} for p in range(PROMPTS)
    ]
    tables = {"generations": rows, "scores": rows, "prompts": prompts}
    for name, table in tables.items():
        lake.overwrite(name, pl.DataFrame(table, schema=schema_of(name)))
    for asset in ("prompts", "iteration_1/generations", "iteration_1/scores"):
        materializations.record(lake, asset=asset, experiment="iterative", output_id=f"{asset}@0")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def make_pairs(recipe, lake: Lake) -> dg.ExecuteInProcessResult:
    pairs = asset_key("iteration_1/dpo_pairs")
    return dg.materialize(
        [one for one in iterations.build_iteration(Study(recipe), 1) if one.key == pairs],
        resources={"lake": LakeResource(root=str(lake.root))},
        partition_key="iterative",
    )


def test_a_refreshed_reward_model_that_has_forgotten_is_warned_of(make_tiny, lake: Lake) -> None:
    fill(lake, words=4)
    key = {"split": "reward_validation", "metric": "pair_accuracy"}
    models = {
        "reward_model": {"experiment": "shared", "iteration": 0, "value": 0.9},
        "iteration_1/reward_model": {"experiment": "iterative", "iteration": 1, "value": 0.75},
    }
    rows = [{**key, "model": model, **row} for model, row in models.items()]
    lake.overwrite("evaluation_results", pl.DataFrame(rows, schema=schema_of("evaluation_results")))
    made = make_pairs(make_tiny("experiments={iterative: {feedback: {labels: 4}}}"), lake)
    unmet = [one.check_name for one in made.get_asset_check_evaluations() if not one.passed]
    assert "reward_model_does_not_forget" in unmet
    [row] = lake.read("iteration_health").to_dicts()
    assert row["reward_accuracy_drop"] == pytest.approx(0.15)


def test_a_ranker_of_length_is_warned_of_and_the_run_goes_on(make_tiny, lake: Lake) -> None:
    fill(lake, words=4)
    made = make_pairs(make_tiny(), lake)
    assert made.success
    unmet = [one for one in made.get_asset_check_evaluations() if not one.passed]
    assert {one.check_name for one in unmet} == {
        "length_is_not_rewarded",
        "chosen_are_not_longer",
        "longer_are_not_chosen",
        "few_repeated_ngrams",
    }
    assert {(one.severity, one.blocking) for one in unmet} == {(dg.AssetCheckSeverity.WARN, False)}
    # what was made is recorded: the next run does not make it again
    assert ("iteration_1/dpo_pairs", "iterative") in materializations.read_latest(lake)
    with connect(lake) as connection:
        [row] = report(connection, "iteration_health").to_dicts()
    assert (row["pairs"], row["longer_chosen_share"]) == (PROMPTS, 1.0)
    assert row["reward_length_correlation"] == pytest.approx(1.0)
    with CONSOLE.capture() as captured:
        print_concerns("iterative", unmet)
    told = " ".join(captured.get().split())
    assert "warning iteration_1/dpo_pairs [iterative]: longer_chosen_share 1 ± 0 is above" in told


def test_bounds_are_the_recipes_and_no_part_of_what_is_recorded(make_tiny, lake: Lake) -> None:
    fill(lake, words=4)
    bounds = ("max_reward_length_correlation", "max_chosen_to_rejected_chars",
              "max_longer_chosen_share", "max_repeated_4gram_share")  # fmt: skip
    made = make_pairs(make_tiny(*(f"health.{bound}=null" for bound in bounds)), lake)
    assert all(one.passed for one in made.get_asset_check_evaluations())
    recorded = materializations.read_latest(lake)["iteration_1/dpo_pairs", "iterative"]["settings"]
    assert "health" not in recorded
    assert "max_" not in recorded


def test_the_report_warns_and_plots(make_tiny, lake: Lake, tmp_path: Path) -> None:
    fill(lake, words=4)
    make_pairs(make_tiny(), lake)
    plot = tmp_path / "health.png"
    words = ["report", "iteration_health", "--home", str(tmp_path)]
    shown = CliRunner().invoke(app, [*words, "--plot", str(plot)], catch_exceptions=False)
    assert "warning  iterative/1: longer_chosen_share 1 ± 0 is above 0.7" in shown.stderr
    assert plot.read_bytes().startswith(b"\x89PNG")
    recipe = tmp_path / "recipe.yaml"
    base = ROOT / "recipes" / "quickstart.yaml"
    recipe.write_text(f"name: a\nbase: {base}\nhealth: {{max_longer_chosen_share: null}}\n")
    shown = CliRunner().invoke(app, [*words, "--recipe", str(recipe)], catch_exceptions=False)
    assert "reward_length_correlation 1" in shown.stderr
    assert "longer_chosen_share" not in shown.stderr


def test_a_report_without_a_figure_is_not_plotted(lake: Lake, tmp_path: Path) -> None:
    fill(lake, words=4)
    place = str(tmp_path / "costs.png")
    words = ["report", "stage_costs", "--home", str(tmp_path), "--plot", place]
    refused = CliRunner().invoke(app, words, catch_exceptions=False)
    assert refused.exit_code == 2
    assert "iteration_health" in refused.stderr
