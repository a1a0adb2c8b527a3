"""The loop with fresh feedback of every oracle: vLLM, TRL, Delta, a judge over HTTP, files."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from transforms.lake.lake import Lake
from transforms.sources.sample.gold import gold_reward
from transforms.views.query import check, connect, report
from transforms.views.statements import list_checks

ROOT = Path(__file__).resolve().parents[3]
LABELS = 24
pytestmark = pytest.mark.slow


def by_gold(conversation: str, a: str, b: str) -> float:
    question = conversation.rpartition("user: ")[2].strip()
    return gold_reward(question, a) - gold_reward(question, b)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def prefloop(home: Path):
    def run(*words: str):
        options = [*words, "--home", str(home)]
        return CliRunner().invoke(app, options, catch_exceptions=False)

    return run


@pytest.fixture(scope="module")
def run(prefloop, serve_judge, tiny_overrides: tuple[str, ...]):
    """Run one experiment of the study up to an asset."""

    def feedback(oracle: str) -> str:
        training = "{learning_rate: 1.0e-3, epochs: 2, logging_steps: 1}"
        return f"{{oracle: {oracle}, labels: {LABELS}, choice: random, reward_model: {training}}}"

    overrides = (
        *tiny_overrides,
        f"judge={{address: {serve_judge(by_gold)}, model: gold}}",
        "experiments={"
        + ", ".join(
            f"by_{one}: {{feedback: {feedback(one)}}}" for one in ("gold", "judge", "people")
        )
        + "}",
    )
    settings = [word for override in overrides for word in ("--set", override)]
    recipe = str(ROOT / "recipes" / "quickstart.yaml")

    def experiment(name: str, *until: str):
        words = [word for asset in until for word in ("--until", asset)]
        return prefloop("run", recipe, *settings, "--experiment", name, *words)

    return experiment


@pytest.fixture(scope="module")
def lake(home: Path, run) -> Lake:
    """A study that has run whole for the experiment that the gold reward labels."""
    ran = run("by_gold")
    assert ran.exit_code == 0, ran.output
    return Lake(home / "lake")


def test_every_iteration_labels_its_own_pairs(lake: Lake) -> None:
    queue, labels = lake.read("label_queue"), lake.read("preference_labels")
    assert queue.group_by("iteration").len().sort("iteration").rows() == [(1, LABELS), (2, LABELS)]
    assert labels.sort("pair_id")["pair_id"].equals(queue.sort("pair_id")["pair_id"])
    responses = lake.read("generations", experiment="by_gold")
    for side in ("first", "second"):
        keyed = queue.join(
            responses,
            left_on=["iteration", "prompt_id", f"{side}_response_index"],
            right_on=["iteration", "prompt_id", "response_index"],
        )
        assert keyed.height == queue.height
        assert keyed[side].equals(keyed["response"])


def test_a_reward_model_goes_on_from_the_last_and_ranks_its_iteration(lake: Lake) -> None:
    rows = lake.read("checkpoints").filter(pl.col("kind") == "reward_model")
    models = {row["asset"]: row for row in rows.iter_rows(named=True)}
    first, second = models["iteration_1/reward_model"], models["iteration_2/reward_model"]
    assert first["parent_id"] == models["reward_model"]["checkpoint_id"]
    assert second["parent_id"] == first["checkpoint_id"]
    scores = lake.read("scores", experiment="by_gold").select("iteration", "ranker_id").unique()
    assert set(scores.rows()) == {(1, first["checkpoint_id"]), (2, second["checkpoint_id"])}
    one_shot = lake.read("scores", experiment="one_shot")["ranker"].unique().to_list()
    assert one_shot == ["reward_model"]


def test_the_report_has_every_policy(lake: Lake) -> None:
    with connect(lake) as connection:
        found = report(connection, "reward_refresh")
    assert found["policy"].to_list() == ["sft_policy", "iteration_1", "iteration_2"]
    assert found["labelled_pairs"].to_list() == [LABELS, LABELS, None]
    assert found.select("fixed", "before").null_count().row(0) == (0, 0)
    assert found["after"].is_null().to_list() == [False, False, True]


def test_a_refresh_is_trained_again_to_the_same_weights(lake: Lake, prefloop) -> None:
    rows = lake.read("checkpoints", asset="iteration_2/reward_model")
    again = prefloop("reproduce", rows.item(0, "checkpoint_id"))
    assert again.exit_code == 0, again.output
    lineage = prefloop("lineage", rows.item(0, "checkpoint_id"))
    for words in ("parent iteration_1/reward_model", "data iteration_1/preference_labels"):
        assert words in lineage.output


def test_a_finished_study_is_not_run_again(lake: Lake, run) -> None:
    versions = {table: lake.version(table) for table in lake.tables()}
    assert run("by_gold").exit_code == 0
    assert {table: lake.version(table) for table in lake.tables()} == versions


def test_a_judge_labels_in_both_orders(lake: Lake, run) -> None:
    ran = run("by_judge", "iteration_1/scores")
    assert ran.exit_code == 0, ran.output
    labels = lake.read("preference_labels", experiment="by_judge")
    by_gold = lake.read("preference_labels", experiment="by_gold", iteration=1)
    # the first iteration samples the same policy with the same seed
    both = labels.join(by_gold, on="pair_id", suffix="_gold")
    assert both.height == LABELS
    assert both["preferred"].equals(both["preferred_gold"])
    assert lake.read("judgments").height == 2 * LABELS
    assert "Compared." in json.loads(labels.item(0, "answer"))["first"]


def test_people_are_waited_for_and_the_run_goes_on(
    lake: Lake, run, prefloop, tmp_path: Path
) -> None:
    waiting = run("by_people", "iteration_1/scores")
    assert waiting.exit_code == 2
    assert f"{LABELS} pairs without a label" in " ".join(waiting.output.split())
    made = lake.read("materializations", experiment="by_people")["asset"].to_list()
    assert sorted(made) == ["iteration_1/generations", "iteration_1/label_queue"]

    exported = prefloop("label", "export", "by_people/1")
    lines = [json.loads(line) for line in exported.stdout.split("\n") if line]
    for line in lines:
        question = line["prompt"][-1]["content"]
        a, b = (gold_reward(question, line[side]) for side in ("response_a", "response_b"))
        line |= {"person": "ann", "preferred": "a" if a > b else "b" if b > a else "tie"}
    file = tmp_path / "labels.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert "0 pairs have no label yet" in prefloop("label", "import", str(file)).output

    sampled = lake.version("generations")
    ran = run("by_people", "iteration_1/scores")
    assert ran.exit_code == 0, ran.output
    assert lake.version("generations") == sampled
    by_gold = lake.read("preference_labels", experiment="by_gold", iteration=1)
    labels = lake.read("preference_labels", experiment="by_people")
    both = labels.join(by_gold, on="pair_id", suffix="_gold")
    assert both["preferred"].equals(both["preferred_gold"])


def test_every_check_passes(lake: Lake) -> None:
    with connect(lake) as connection:
        failures = {name: check(connection, name) for name in list_checks()}
    assert {name: rows for name, rows in failures.items() if not rows.is_empty()} == {}
