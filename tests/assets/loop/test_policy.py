"""Experiments that train their policy by another objective, through the real loop."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from assets.cli.reproduce import read_training, retrain
from assets.graph import build_definitions
from assets.staleness import list_upstream, name_of, read_settings
from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas.table import SHARED
from transforms.views.query import check, connect
from transforms.views.statements import list_checks

ROOT = Path(__file__).resolve().parents[3]
EXPERIMENTS = {
    "ipo": "{dpo: {loss: ipo}}",
    "cdpo": "{dpo: {loss: cdpo, label_smoothing: 0.1}}",
    "raft": "{objective: raft}",
    "warm": "{first_objective: raft}",
    "kto": "{objective: kto}",
    "rloo": "{objective: rloo, sampling: {n: 4}}",
    "brought": "{objective: rloo, sampling: {n: 4}, ranker: both}",
}
CODE = "def brief(responses):\n    return [-len(text) for text in responses]\n"
OVERRIDES = (
    "experiments={"
    + ", ".join(f"{name}: {settings}" for name, settings in EXPERIMENTS.items())
    + "}",
    "loop.raft={learning_rate: 1.0e-3, epochs: 2, max_tokens: 128}",
    "loop.kto={learning_rate: 1.0e-3, max_tokens: 128, batch_size: 16, micro_batch_size: 16}",
    "loop.rloo={learning_rate: 1.0e-3, max_tokens: 128, batch_size: 16, micro_batch_size: 16}",
)
FIRST_LOSS = {"ipo": 25 / 9, "cdpo": 0.6931, "kto": 0.5, "rloo": 0.0, "brought": 0.0}
"""At zero margin and the quickstart's beta of 0.3; for a policy gradient, at the
weights that sampled."""


def bring(folder: Path) -> str:
    """A setting: the weighted sum of the trained reward model and of a function in the folder."""
    (folder / "rewards.py").write_text(CODE, encoding="utf-8")
    brief = f"brief: {{function: '{folder}/rewards.py:brief'}}"
    return f"rewards={{{brief}, both: {{sum: {{reward_model: 1, brief: 0.125}}}}}}"


@pytest.fixture(scope="module")
def lake(tiny_overrides: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Every experiment, up to the second policy."""
    home = tmp_path_factory.mktemp("study")
    overrides = (*tiny_overrides, *OVERRIDES, bring(home))
    options = [word for one in overrides for word in ("--set", one)]
    options += ["--home", str(home), "--until", "iteration_2/policy"]
    options += [word for name in EXPERIMENTS for word in ("--experiment", name)]
    recipe = str(ROOT / "recipes" / "quickstart.yaml")
    ran = CliRunner().invoke(app, ["run", recipe, *options], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return Lake(home / "lake")


def policies(lake: Lake, experiment: str) -> list[dict]:
    rows = lake.read("checkpoints", experiment=experiment).sort("iteration")
    return rows.filter(pl.col("asset").str.ends_with("/policy")).to_dicts()


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_each_iteration_moves_the_weights_at_a_finite_loss(lake: Lake, experiment: str) -> None:
    trained = policies(lake, experiment)
    assert [row["iteration"] for row in trained] == [1, 2]
    assert trained[1]["parent_id"] == trained[0]["checkpoint_id"] != trained[0]["parent_id"]
    metrics = lake.read("training_metrics", experiment=experiment).filter(metric="loss")
    assert metrics["asset"].n_unique() == 2
    assert metrics["value"].is_finite().all()


@pytest.mark.slow
@pytest.mark.parametrize(("experiment", "loss"), FIRST_LOSS.items())
def test_first_loss_is_that_of_zero_margin(lake: Lake, experiment: str, loss: float) -> None:
    metrics = lake.read("training_metrics", experiment=experiment, asset="iteration_1/policy")
    first = metrics.filter(metric="loss").sort("step")["value"][0]
    assert first == pytest.approx(loss, rel=1e-3, abs=1e-5)


@pytest.mark.slow
def test_the_checkpoint_says_its_objective_and_what_it_read(lake: Lake) -> None:
    first = policies(lake, "raft")[0]
    assert '"raft": {' in first["settings"]
    assert "scores@" in first["inputs"]
    assert "dpo_pairs" not in first["inputs"]
    assert first["reference_id"] == ""
    assert '"loss": "ipo"' in policies(lake, "ipo")[0]["settings"]


@pytest.mark.slow
def test_the_first_iteration_has_its_own_objective(lake: Lake) -> None:
    first, second = policies(lake, "warm")
    assert first["checkpoint_id"] == policies(lake, "raft")[0]["checkpoint_id"]
    assert (first["reference_id"], second["reference_id"] != "") == ("", True)
    assert "dpo" not in json.loads(first["settings"])
    assert "raft" not in json.loads(second["settings"])
    assert "dpo_pairs@" in second["inputs"]


@pytest.mark.slow
def test_a_policy_gradient_needs_no_tables_of_responses(lake: Lake) -> None:
    for table in ("generations", "scores", "dpo_pairs"):
        assert "rloo" not in lake.read(table)["experiment"].unique()
    made = lake.read("materializations", experiment="rloo")["asset"].unique().to_list()
    assert sorted(made) == ["iteration_1/policy", "iteration_2/policy"]
    first = policies(lake, "rloo")[0]
    inputs = json.loads(first["inputs"])
    assert first["reference_id"] == inputs["sft_policy"]
    assert "reward_model" in inputs


@pytest.mark.slow
def test_a_policy_gradient_records_the_parts_of_its_reward(lake: Lake) -> None:
    first = policies(lake, "brought")[0]
    recorded = json.loads(first["settings"])["rewards"]
    assert {name: part["weight"] for name, part in recorded.items()} == {
        "brief": 0.125, "reward_model": 1.0,
    }  # fmt: skip
    assert "reward_model" in json.loads(first["inputs"])
    training = read_training(lake, first)
    assert training.settings.rewards["brief"].reward.function.endswith("rewards.py:brief")
    file = lake.root.parent / "rewards.py"
    file.write_text(CODE.replace("-len", "-2 * len"), encoding="utf-8")
    with pytest.raises(InputError, match="the reward brief has changed"):
        read_training(lake, first)
    file.write_text(CODE, encoding="utf-8")


@pytest.mark.slow
def test_kto_learns_two_responses_of_a_prompt(lake: Lake) -> None:
    training = read_training(lake, policies(lake, "kto")[0])
    labels = training.rows.group_by("prompt_id").agg(pl.col("label").sort())["label"]
    assert labels.to_list() == [[False, True]] * labels.len()


@pytest.mark.slow
def test_raft_learns_one_response_of_every_prompt(lake: Lake, make_tiny) -> None:
    training = read_training(lake, policies(lake, "raft")[0])
    prompts = make_tiny().splits.prompts_per_iteration
    assert training.rows.height == training.rows["prompt_id"].n_unique() == prompts


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_it_is_reproduced_to_the_same_weights(lake: Lake, experiment: str, tmp_path: Path) -> None:
    row = policies(lake, experiment)[1]
    again = retrain(lake, read_training(lake, row), tmp_path / "again")
    assert again == row["checkpoint_id"]


@pytest.mark.slow
def test_every_check_passes(lake: Lake) -> None:
    with connect(lake) as connection:
        failures = {name: check(connection, name) for name in list_checks()}
    assert {name: rows for name, rows in failures.items() if not rows.is_empty()} == {}


def test_every_asset_of_an_experiment_reads_only_assets_that_it_has(make_tiny, tmp_path) -> None:
    """A policy gradient stores no responses, so no report on them can be made."""
    graph = build_definitions(make_tiny(*OVERRIDES, bring(tmp_path)), "x").resolve_asset_graph()
    for experiment in EXPERIMENTS:
        nodes = {name_of(key): graph.get(key) for key in graph.get_all_asset_keys()}
        has = {
            name: read_settings(node, experiment if node.partitions_def else SHARED) is not None
            for name, node in nodes.items()
        }
        read = {name: list_upstream(node, experiment) for name, node in nodes.items() if has[name]}
        assert {name: [one for one in ups if not has[one]] for name, ups in read.items()} == {
            name: [] for name in read
        }
    assert not has["response_lengths"]


def test_an_experiment_reads_what_its_objective_needs(make_tiny, tmp_path: Path) -> None:
    recipe = make_tiny(*OVERRIDES, bring(tmp_path))
    graph = build_definitions(recipe, "unused").resolve_asset_graph()
    first, node = (
        next(graph.get(key) for key in graph.get_all_asset_keys() if key.path == [group, "policy"])
        for group in ("iteration_1", "iteration_2")
    )
    models = ["iteration_1/policy", "sft_policy"]
    scored = ["iteration_2/generations", "iteration_2/scores", "prompts"]
    assert list_upstream(node, "ipo") == sorted([*models, "iteration_2/dpo_pairs"])
    assert list_upstream(node, "raft") == sorted(["iteration_1/policy", *scored])
    assert list_upstream(node, "warm") == list_upstream(node, "ipo")
    assert list_upstream(first, "warm") == list_upstream(first, "raft")
    assert list_upstream(first, "warm") != list_upstream(first, "ipo")
    assert list_upstream(node, "kto") == sorted([*models, *scored])
    for experiment in ("rloo", "brought"):
        assert list_upstream(node, experiment) == sorted(
            [*models, "prompts", "prompt_splits", "reward_model"]
        )
