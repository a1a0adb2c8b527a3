"""The loop ranked by a preference model and by a judge behind an address: all parts are real."""

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from transforms.lake.lake import Lake
from transforms.sources.sample.gold import gold_reward
from transforms.views.query import check, connect
from transforms.views.statements import list_checks

ROOT = Path(__file__).resolve().parents[3]
PREFERENCE_MODEL = (
    "{learning_rate: 1.0e-3, epochs: 1, batch_size: 32, micro_batch_size: 32, max_tokens: 128,"
    " packing: false}"
)


def by_gold(conversation: str, a: str, b: str) -> float:
    question = conversation.rpartition("user: ")[2].strip()
    return gold_reward(question, a) - gold_reward(question, b)


@pytest.fixture(scope="module")
def lake(
    serve_judge, tiny_overrides: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Lake:
    """Both experiments, up to the second policy."""
    home = tmp_path_factory.mktemp("study")
    overrides = (
        *tiny_overrides,
        f"preference_model={PREFERENCE_MODEL}",
        f"judge={{address: {serve_judge(by_gold)}, model: gold}}",
        "experiments={pairwise: {ranker: preference_model}, judged: {ranker: judge}}",
    )
    options = [word for override in overrides for word in ("--set", override)]
    options += ["--home", str(home), "--until", "iteration_2/policy"]
    options += ["--experiment", "pairwise", "--experiment", "judged"]
    recipe = str(ROOT / "recipes" / "quickstart.yaml")
    ran = CliRunner().invoke(app, ["run", recipe, *options], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return Lake(home / "lake")


@pytest.mark.slow
def test_scores_say_what_ranked_them(lake: Lake) -> None:
    rankers = lake.read("scores").select("experiment", "iteration", "ranker").unique()
    assert set(rankers.rows()) == {
        (experiment, iteration, ranker)
        for experiment, ranker in (("pairwise", "preference_model"), ("judged", "judge"))
        for iteration in (1, 2)
    }
    shares = lake.read("scores")["reward"]
    assert shares.is_between(0, 1).all()


@pytest.mark.slow
def test_a_judges_pairs_follow_its_verdicts(lake: Lake) -> None:
    pairs = lake.read("dpo_pairs", experiment="judged")
    assert pairs.height > 0
    for prompt, chosen, rejected in pairs.select("prompt", "chosen", "rejected").iter_rows():
        question = prompt[-1]["content"]
        better, worse = (gold_reward(question, side[0]["content"]) for side in (chosen, rejected))
        assert better > worse


@pytest.mark.slow
def test_every_verdict_is_a_row_with_its_judge(lake: Lake) -> None:
    judge = lake.read("judges").row(0, named=True)
    judgments = lake.read("judgments")
    assert judgments["judge_id"].unique().to_list() == [judge["judge_id"]]
    assert judge["model"] == "gold"
    assert judgments["raw_text"].str.starts_with("Compared.").all()
    assert judgments.select("comparison_id", "a_is").is_unique().all()


@pytest.mark.slow
def test_every_check_passes(lake: Lake) -> None:
    with connect(lake) as connection:
        failures = {name: check(connection, name) for name in list_checks()}
    assert {name: rows for name, rows in failures.items() if not rows.is_empty()} == {}


@pytest.mark.slow
def test_without_a_reward_model_none_is_trained(lake: Lake) -> None:
    assert "reward_model" not in lake.read("checkpoints")["asset"].to_list()
    trained = lake.read("checkpoints").filter(pl.col("asset") == "preference_model")
    assert trained["kind"].to_list() == ["causal_lm"]
