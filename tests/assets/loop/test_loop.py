"""The whole loop at a tiny size, with the real vLLM, TRL, Delta, DuckDB and Dagster."""

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from assets.graph import build_definitions
from assets.staleness import stale_assets
from training.recipe import Recipe
from transforms.lake.lake import Lake
from transforms.views.page.write import SECTIONS
from transforms.views.query import check, connect, report, run_report
from transforms.views.statements import list_checks, list_reports

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def settings(tiny_overrides: tuple[str, ...]) -> list[str]:
    return [word for override in tiny_overrides for word in ("--set", override)]


@pytest.fixture(scope="module")
def home(settings: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that has run once, for one experiment."""
    home = tmp_path_factory.mktemp("study")
    ran = prefloop("run", *settings, "--experiment", "iterative", "--home", str(home))
    assert ran.exit_code == 0, ran.output
    return home


def prefloop(command: str, *options: str):
    words = [str(ROOT / "recipes" / "quickstart.yaml")] if command == "run" else []
    return CliRunner().invoke(app, [command, *words, *options], catch_exceptions=False)


@pytest.fixture
def lake(home: Path) -> Lake:
    return Lake(home / "lake")


def test_every_table_is_written(lake: Lake) -> None:
    assert {
        "raw_sample_prompts",
        "demonstrations",
        "preference_pairs",
        "dropped_rows",
        "prompt_splits",
        "generations",
        "scores",
        "dpo_pairs",
        "iteration_health",
        "reference_logps",
        "checkpoints",
        "training_metrics",
        "evaluation_responses",
        "evaluation_results",
        "selected_policies",
        "materializations",
    } <= set(lake.tables())


def test_raw_rows_are_kept_or_in_the_ledger(lake: Lake) -> None:
    dropped = lake.read("dropped_rows")
    for raw, table in {
        "raw_sample_demonstrations": "demonstrations",
        "raw_sample_preferences": "preference_pairs",
        "raw_sample_prompts": "prompts",
    }.items():
        kept = lake.read(table).height
        assert lake.read(raw).height == kept + dropped.filter(table=table).height


def test_every_check_passes_on_the_finished_lake(lake: Lake) -> None:
    with connect(lake) as connection:
        assert {name: check(connection, name).height for name in list_checks()} == dict.fromkeys(
            list_checks(), 0
        )


def test_responses_carry_the_policy_that_made_them(lake: Lake) -> None:
    makers = {
        ("iterative", 1): "sft_policy",
        ("iterative", 2): "iteration_1/policy",
        ("one_shot", 1): "sft_policy",
    }
    ids = dict(lake.read("checkpoints").select("asset", "checkpoint_id").iter_rows())
    rows = lake.read("generations").select("experiment", "iteration", "policy_id").unique()
    assert {row[:2]: row[2] for row in rows.iter_rows()} == {
        slice_: ids[asset] for slice_, asset in makers.items()
    }


def test_dpo_is_against_pi_0_and_starts_from_the_last_iterate(lake: Lake) -> None:
    rows = {row["asset"]: row for row in lake.read("checkpoints").iter_rows(named=True)}
    second = rows["iteration_2/policy"]
    assert second["reference_id"] == rows["sft_policy"]["checkpoint_id"]
    assert second["parent_id"] == rows["iteration_1/policy"]["checkpoint_id"]


def test_first_loss_of_iteration_1_is_log_2(lake: Lake) -> None:
    metrics = lake.read("training_metrics", asset="iteration_1/policy")
    first = metrics.filter(pl.col("metric") == "loss").sort("step")["value"][0]
    assert first == pytest.approx(0.6931, abs=1e-3)


def test_every_report_has_rows(lake: Lake) -> None:
    with connect(lake) as connection:
        rows = {name: report(connection, name) for name in list_reports()}
    # with all tables open, as with those alone that the report reads
    assert all(run_report(lake, name).equals(found) for name, found in rows.items())
    empty = [name for name, found in rows.items() if found.is_empty()]
    # One ranker; no benchmarks, no feedback, no promotion, no sum.
    assert empty == [
        "ablations",
        "academic_benchmarks",
        "benchmark_comparison",
        "chat_benchmarks",
        "current_policy",
        "judged_benchmarks",
        "labelled_pairs",
        "length_control",
        "promotion_decisions",
        "ranker_agreement",
        "reward_bench",
        "reward_components",
        "reward_refresh",
    ]


def test_the_page_of_a_finished_study_is_written(home: Path, tmp_path: Path) -> None:
    written = prefloop(
        "report", "--html", "--home", str(home), "--output", str(tmp_path / "page.html")
    )
    assert written.exit_code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<section") == len(SECTIONS)
    assert "http://" not in page
    assert "https://" not in page


def test_a_finished_loop_is_not_run_again(home: Path, lake: Lake, settings: list[str]) -> None:
    versions = {table: lake.version(table) for table in lake.tables()}
    ran = prefloop("run", *settings, "--experiment", "iterative", "--home", str(home))
    assert ran.exit_code == 0
    assert {table: lake.version(table) for table in lake.tables()} == versions


def test_a_changed_penalty_reruns_pairs_and_what_follows(lake: Lake, make_tiny) -> None:
    changed: Recipe = make_tiny("loop.pairs.length_penalty=0.5")
    stale = stale_assets(build_definitions(changed, lake.root), lake, "iterative")
    assert "iteration_1/dpo_pairs" in stale
    assert not {"iteration_1/generations", "iteration_1/scores", "sft_policy"} & set(stale)


def test_sql_answers_and_cannot_write(home: Path) -> None:
    asked = prefloop("sql", "select count(*) as n from generations", "--home", str(home))
    assert asked.exit_code == 0
    refused = prefloop("sql", f"copy (select 1) to '{home}/x.csv'", "--home", str(home))
    assert refused.exit_code == 2
    assert not (home / "x.csv").exists()


def test_an_unknown_experiment_is_refused_before_anything_runs(tmp_path: Path) -> None:
    refused = prefloop("run", "--experiment", "concice", "--home", str(tmp_path / "new"))
    assert refused.exit_code == 2
    assert not (tmp_path / "new").exists()


def test_an_experiment_without_a_difference_reuses_responses(
    home: Path, lake: Lake, settings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It adds an experiment, as the next does. An engine or a reward model would fail it."""
    monkeypatch.setattr("training.generation.generate", None)
    monkeypatch.setattr("training.scoring.score", None)
    words = [*settings, "--experiment", "raft_concise", "--until", "iteration_1/dpo_pairs"]
    ran = prefloop("run", *words, "--home", str(home))
    assert ran.exit_code == 0, ran.output
    key = ["prompt_id", "response_index"]
    for table in ("generations", "scores"):
        mine, theirs = (
            lake.read(table, experiment=experiment, iteration=1).sort(key).drop("experiment")
            for experiment in ("raft_concise", "iterative")
        )
        assert mine.height > 0
        assert mine.equals(theirs)
    costs = lake.read("costs", asset="iteration_1/generations").sort("commit_version")
    assert costs["rows"].to_list()[1] == 0
    with connect(lake) as connection:
        assert sum(check(connection, name).height for name in list_checks()) == 0


@pytest.mark.slow
def test_stored_responses_paired_by_another_rule_are_trained_on_through_the_recipe(
    home: Path, lake: Lake, settings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = "pairs.rule=best_vs_second"
    again = prefloop("what-if", "iterative/1", "--as", "second", "--set", rule, "--home", str(home))
    assert again.exit_code == 0, again.output
    slice_ = {"experiment": "second", "iteration": 1}
    paired = lake.read("dpo_pairs", **slice_)
    assert set(paired["rule"]) == {"best_vs_second"}

    monkeypatch.setattr("training.generation.generate", None)
    monkeypatch.setattr("training.scoring.score", None)
    words = [*settings, "--set", f"experiments.second.{rule}", "--experiment", "second"]
    ran = prefloop("run", *words, "--until", "iteration_1/policy", "--home", str(home))
    assert ran.exit_code == 0, ran.output
    assert lake.read("dpo_pairs", **slice_).equals(paired)
    policies = lake.read("checkpoints", asset="iteration_1/policy")
    assert policies.filter(experiment="second").height == 1
    assert policies["checkpoint_id"].n_unique() == 2
    refused = prefloop("what-if", "iterative", "--as", "second", "--set", rule, "--home", str(home))
    assert refused.exit_code == 2
