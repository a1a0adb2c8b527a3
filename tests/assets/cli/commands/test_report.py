"""`prefloop report` over the lakes of two seeds, through the command line."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.measures.evaluation import summarise


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Seed 0 and 1: pi_0 is rewarded with 0 and 2, offline DPO with 1 and 5."""
    homes = [tmp_path_factory.mktemp(f"seed_{seed}") for seed in (0, 1)]
    for seed, home in enumerate(homes):
        lake = Lake(home / "lake")
        rewards = {"sft_policy": 2.0 * seed, "offline_dpo": 1.0 + 4 * seed}
        rows = [
            {"experiment": "shared", "iteration": 0, "model": model, "split": "evaluation",
             "decoding": "greedy", "prompt_id": prompt, "reward": reward, "gold_reward": reward,
             "policy_id": model}
            for model, reward in rewards.items()
            for prompt in ("p", "q")
        ]  # fmt: skip
        responses = pl.DataFrame(rows, schema=schema_of("evaluation_responses"))
        lake.append("evaluation_responses", responses)
        shared = {"experiment": pl.lit("shared"), "iteration": pl.lit(0, pl.Int32)}
        results = pl.concat(map(summarise, responses.partition_by("model"))).with_columns(**shared)
        lake.append("evaluation_results", results.select(list(schema_of("evaluation_results"))))
        policy = {"experiment": "shared", "asset": "sft_policy", "checkpoint_id": f"c{seed}"}
        policy |= {"path": ".", "settings": json.dumps({"seed": seed})}
        lake.append("checkpoints", pl.DataFrame([policy], schema=schema_of("checkpoints")))
    return homes


def report(*words: str, homes: list[Path]):
    named = [word for home in homes for word in ("--home", str(home))]
    return CliRunner().invoke(app, ["report", *words, *named], catch_exceptions=False)


def test_seeds_are_one_table(homes):
    printed = report("experiment_outcomes", "--over-seeds", "--format", "json", homes=homes)
    pi_0, offline = json.loads(printed.stdout)
    assert (pi_0["experiment"], pi_0["seeds"], pi_0["reward"]) == ("sft_policy", 2, 1.0)
    assert (pi_0["reward_se"], pi_0["reward_within_se"]) == (1.0, 0.0)
    assert offline["gold_minus_offline_dpo"] is None
    assert pi_0["gold_minus_offline_dpo"] == -2.0
    assert pi_0["gold_minus_offline_dpo_se"] == 1.0  # -1 and -3: paired by seed


def test_seeds_are_printed_with_their_errors(homes):
    printed = report("experiment_outcomes", "--over-seeds", homes=homes).stdout
    assert "1.000 ± 1.000 (0.000)" in printed


def test_lakes_are_stacked_without_it(homes):
    stacked = pl.read_csv(
        report("experiment_outcomes", "--format", "csv", homes=homes).stdout_bytes
    )
    assert stacked["lake"].to_list() == [home.name for home in homes for _ in range(2)]


def test_one_seed_twice_is_refused(homes):
    refused = report("experiment_outcomes", "--over-seeds", homes=[homes[0], homes[0]])
    assert refused.exit_code == 2
    assert "do not have different seeds" in refused.stderr


def test_the_lake_may_be_named_by_the_environment(homes):
    environment = {"PREFLOOP_HOME": str(homes[0])}
    printed = CliRunner().invoke(app, ["report", "experiment_outcomes"], env=environment)
    assert printed.exit_code == 0, printed.output
    assert printed.stdout == report("experiment_outcomes", homes=homes[:1]).stdout


def test_a_figure_that_cannot_be_written_is_refused(homes, tmp_path):
    place = str(tmp_path / "missing" / "progress.png")
    refused = report("iteration_progress", "--plot", place, homes=homes[:1])
    assert (refused.exit_code, "cannot be written" in refused.stderr) == (2, True)


def test_a_report_without_rows_says_why_for_each_lake(homes):
    one = report("margin_histogram", homes=homes[:1])
    assert (one.exit_code, one.stderr.count("margin_histogram has no rows")) == (0, 1)
    assert "empty tables that it reads: dpo_pairs. There are rows once" in one.stderr
    both = report("margin_histogram", homes=homes)
    for home in homes:
        assert f"{home}: margin_histogram has no rows" in both.stderr
    assert report("experiment_outcomes", homes=homes).stderr == ""


def test_reports_are_listed_with_what_a_row_is():
    printed = CliRunner().invoke(app, ["report", "--list"]).stdout
    assert "stage_costs\n  One row per" in printed


def test_an_unknown_report_has_the_near_ones(homes):
    refused = CliRunner().invoke(app, ["report", "stage_cost", "--home", str(homes[0])])
    assert refused.exit_code == 2
    assert "did you mean stage_costs?" in refused.output


def test_the_html_report_is_a_file_of_the_home(homes, monkeypatch):
    monkeypatch.setattr("assets.cli.html_report.write_page", lambda lakes, _: ",".join(lakes))
    written = CliRunner().invoke(app, ["report", "--html", "--home", str(homes[0])])
    assert written.exit_code == 0, written.output
    assert (homes[0] / "report.html").read_text() == homes[0].name
    words = ["report", "--html", *("--home", str(homes[0])) * 2]
    assert "two lakes have the same name" in CliRunner().invoke(app, words).output
