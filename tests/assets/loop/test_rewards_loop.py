"""The loop ranked by a function, a verifier, a weighted sum and an ensemble: all parts are real."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from assets.graph import build_definitions
from assets.staleness import stale_assets
from training.recipe_file import load_recipe
from transforms.lake.lake import Lake
from transforms.prompts.instructions.registry import read_reference
from transforms.views.query import check, connect, report
from transforms.views.statements import list_checks

ROOT = Path(__file__).resolve().parents[3]
CODE = """
def brief(prompts, responses, reference):
    assert all(turns[-1]["role"] == "user" for turns in prompts) and None not in reference
    return [-float(len(text.split())) for text in responses]
"""
WEIGHTS = {"reward_model": 1.0, "followed": 2.0, "short": 0.1}
REWARDS = {
    "short": {"function": "rewards.py:brief"},
    "followed": {"verifier": "instructions"},
    "both": {"sum": WEIGHTS},
}
MEMBERS = {"reward_model": 0.5, "reward_model_b": 0.5}
EXPERIMENTS = {
    "by_function": {"ranker": "short"},
    "by_verifier": {"ranker": "followed"},
    "by_sum": {"ranker": "both"},
    "by_ensemble": {"ranker": "ensemble"},
    "in_rounds": {
        "ranker": "both",
        "sampling": {"adaptive": {"round": 2, "enough_margin": 0.5}},
    },
}
OTHERS = dict.fromkeys(("iterative", "raft_concise"))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "rewards.py").write_text(CODE, encoding="utf-8")
    keys = {
        "base": str(ROOT / "recipes" / "quickstart.yaml"),
        "name": "brought",
        "sources": {"sample_prompts": {"instructions": 1}},
        "rewards": REWARDS,
        "reward_models": {"b": {}},
        "ensemble": {"members": list(MEMBERS), "spread_weight": 2.0},
        "experiments": {**OTHERS, **EXPERIMENTS},
    }
    (folder / "brought.yaml").write_text(json.dumps(keys), encoding="utf-8")  # JSON is YAML
    return folder / "brought.yaml"


@pytest.fixture(scope="module")
def lake(
    recipe: Path, tiny_overrides: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Lake:
    """All experiments, up to the scores of the second iteration."""
    home = tmp_path_factory.mktemp("study")
    options = [word for override in tiny_overrides for word in ("--set", override)]
    options += ["--home", str(home), "--until", "iteration_2/dpo_pairs"]
    ran = CliRunner().invoke(app, ["run", str(recipe), *options], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return Lake(home / "lake")


@pytest.mark.slow
def test_scores_have_the_rewards_of_the_function_and_of_the_verifier(lake: Lake) -> None:
    texts = lake.scan("generations").join(lake.scan("prompts"), on="prompt_id")
    key = ["experiment", "iteration", "prompt_id", "response_index"]
    rows = lake.read("scores").join(texts.collect(), on=key)
    for experiment, score in (
        ("by_function", lambda text, _: -len(text.split())),
        ("by_verifier", lambda text, one: float(read_reference(one)[0].is_followed(text))),
    ):
        mine = rows.filter(experiment=experiment)
        assert set(mine["iteration"]) == {1, 2}
        for text, reference, reward in mine.select("response", "reference", "reward").iter_rows():
            assert reward == score(text, reference)
    assert rows.filter(experiment="by_verifier")["reward"].n_unique() == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "weights"),
    [("by_sum", WEIGHTS), ("in_rounds", WEIGHTS), ("by_ensemble", {**MEMBERS, "spread": -2.0})],
)
def test_a_sum_is_that_of_its_stored_parts(
    lake: Lake, experiment: str, weights: dict[str, float]
) -> None:
    key = ["iteration", "prompt_id", "response_index"]
    parts = lake.read("score_components", experiment=experiment)
    assert dict(parts.select("component", "weight").unique().rows()) == weights
    added = parts.group_by(key).agg(sum=(pl.col("weight") * pl.col("reward")).sum(), n=pl.len())
    scores = lake.read("scores", experiment=experiment).join(added, on=key, validate="1:1")
    assert scores.height == lake.read("generations", experiment=experiment).height
    assert scores["n"].unique().to_list() == [len(weights)]
    assert scores["sum"].to_list() == pytest.approx(scores["reward"].to_list())


@pytest.mark.slow
def test_the_members_of_an_ensemble_are_different_models(lake: Lake) -> None:
    parts = lake.read("score_components", experiment="by_ensemble")
    assert parts.filter(pl.col("component") != "spread")["component_id"].n_unique() == 2
    assert (parts.filter(component="spread")["reward"] > 0).mean() > 0.5


@pytest.mark.slow
def test_the_report_shows_which_part_decided(lake: Lake) -> None:
    with connect(lake) as connection:
        rows = report(connection, "reward_components").filter(experiment="by_sum")
    assert rows["iteration"].unique().sort().to_list() == [1, 2]
    shares = rows.group_by("iteration").agg(pl.col("decided_share").sum())
    assert shares["decided_share"].to_list() == pytest.approx([1.0, 1.0])


@pytest.mark.slow
def test_every_check_passes(lake: Lake) -> None:
    with connect(lake) as connection:
        failures = {name: check(connection, name) for name in list_checks()}
    assert {name: rows for name, rows in failures.items() if not rows.is_empty()} == {}


@pytest.mark.slow
def test_an_edited_function_makes_its_scores_stale(
    lake: Lake, recipe: Path, tiny_overrides: tuple[str, ...]
) -> None:
    def list_stale(experiment: str) -> dict[str, str]:
        definitions = build_definitions(load_recipe(recipe, tiny_overrides), lake.root)
        stale = stale_assets(definitions, lake, experiment)
        return {name: reason for name, reason in stale.items() if name.startswith("iteration_1")}

    assert list_stale("by_function") == {}
    (recipe.parent / "rewards.py").write_text(f"{CODE}EDITED = 1\n", encoding="utf-8")
    stale = list_stale("by_function")
    assert [*stale] == ["iteration_1/scores", "iteration_1/dpo_pairs", "iteration_1/policy"]
    assert "code" in stale["iteration_1/scores"]
    assert "parts.short.code" in list_stale("by_sum")["iteration_1/scores"]
    assert list_stale("by_verifier") == {}
