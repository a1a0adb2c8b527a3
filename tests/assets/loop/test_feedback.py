"""Feedback assets: which recipes have them, and runs of experiments with and without feedback."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.graph import build_definitions
from assets.loop.oracles import write_labels
from assets.loop.ranking.registry import find_ranker
from assets.materialize import Step
from assets.staleness import list_upstream, name_of
from assets.study import Study
from training.recipe import Recipe
from transforms.lake.lake import Lake
from transforms.lake.pinned_lake import PinnedLake
from transforms.lake.schemas import schema_of

REFRESHED = "experiments={iterative: {}, refreshed: {feedback: {labels: 5}}}"
NOUNS = ("label_queue", "preference_labels", "reward_model")


def test_only_a_recipe_with_feedback_has_its_assets(
    tiny_recipe: Recipe, make_tiny: Callable[..., Recipe]
) -> None:
    def list_assets(recipe: Recipe) -> set[str]:
        graph = build_definitions(recipe, "unused").resolve_asset_graph()
        return {name_of(key) for key in graph.get_all_asset_keys()}

    added = list_assets(make_tiny(REFRESHED)) - list_assets(tiny_recipe)
    assert added == {f"iteration_{t}/{noun}" for t in (1, 2) for noun in NOUNS} | {"reward_refresh"}


def test_scores_read_the_refreshed_model_of_their_iteration(make_tiny) -> None:
    graph = build_definitions(make_tiny(REFRESHED), "unused").resolve_asset_graph()
    scores = graph.get(dg.AssetKey(["iteration_2", "scores"]))
    assert "iteration_2/reward_model" in list_upstream(scores, "refreshed")
    assert "reward_model" not in list_upstream(scores, "refreshed")
    assert "reward_model" in list_upstream(scores, "iterative")
    assert "iteration_2/reward_model" not in list_upstream(scores, "iterative")


def test_a_sum_and_a_given_model_read_their_refreshed_model(make_tiny, tmp_path: Path) -> None:
    (tmp_path / "rewards.py").write_text("def brief(responses): ...\n", encoding="utf-8")
    rewards = (
        f"rewards={{brief: {{function: '{tmp_path}/rewards.py:brief'}},"
        f" given: {{path: {tmp_path}}},"
        " with_trained: {sum: {reward_model: 1, brief: 1}},"
        " with_given: {sum: {given: 1, brief: 1}}}"
    )
    experiments = ", ".join(
        f"{name}: {{ranker: {name}, feedback: {{labels: 5}}}}"
        for name in ("with_trained", "with_given", "given")
    )
    recipe = make_tiny(rewards, f"experiments={{{experiments}}}")
    graph = build_definitions(recipe, "unused").resolve_asset_graph()

    def list_models(asset: str, experiment: str) -> list[str]:
        read = list_upstream(graph.get(dg.AssetKey(asset.split("/"))), experiment)
        return [name for name in read if name.endswith("reward_model")]

    for experiment in ("with_trained", "with_given", "given"):
        first = ["reward_model"] if experiment == "with_trained" else []
        assert list_models("iteration_1/label_queue", experiment) == first
        assert list_models("iteration_1/reward_model", experiment) == first
        assert list_models("iteration_1/scores", experiment) == ["iteration_1/reward_model"]
        assert list_models("iteration_2/label_queue", experiment) == ["iteration_1/reward_model"]
        assert list_models("iteration_2/reward_model", experiment) == ["iteration_1/reward_model"]
        assert list_models("iteration_2/scores", experiment) == ["iteration_2/reward_model"]
    ranker = find_ranker(Study(recipe), recipe.loop, "with_given")
    assert ranker.parts["given"].name == "given"
    loop = recipe.resolve_loop("with_given")
    refreshed = find_ranker(Study(recipe), loop, "with_given", "iteration_1/reward_model")
    assert {name: part.name for name, part in refreshed.parts.items()} == {
        "given": "iteration_1/reward_model", "brief": "brief",
    }  # fmt: skip


def test_a_job_makes_nothing_for_an_experiment_without_feedback(make_tiny, tmp_path: Path) -> None:
    definitions = build_definitions(make_tiny(REFRESHED), tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        ran = definitions.resolve_job_def("iteration_1").execute_in_process(
            instance=instance,
            partition_key="iterative",
            asset_selection=[dg.AssetKey(["iteration_1", noun]) for noun in NOUNS],
        )
    assert ran.success
    assert all(check.passed for check in ran.get_asset_check_evaluations())
    assert Lake(tmp_path).tables() == []


@pytest.fixture
def queue() -> pl.DataFrame:
    rows = [
        {
            "experiment": "e",
            "iteration": 1,
            "pair_id": f"x{n}",
            "prompt_id": f"p{n}",
            "prompt": [{"role": "user", "content": "name two tools in a sentence"}],
            "first": "saw and drill .",
            "second": f"- saw {n}",
            "place": n,
        }
        for n in range(4)
    ]
    return pl.DataFrame(rows, schema=schema_of("label_queue"))


@pytest.fixture
def label(make_tiny, tmp_path: Path) -> Callable[..., pl.DataFrame]:
    """Label rows of a queue by an oracle of the recipe."""
    lake = PinnedLake(tmp_path, {})

    def by(oracle: str, rows: pl.DataFrame, *overrides: str) -> pl.DataFrame:
        feedback = f"experiments.e.feedback={{oracle: {oracle}}}"
        study = Study(make_tiny(feedback, *overrides))
        log = dg.get_dagster_logger()
        step = Step(study, lake, "iteration_1/preference_labels", "e", study.loop("e"), log, {}, {})
        write_labels(step, rows, experiment="e", iteration=1)
        return lake.read("preference_labels")

    return by


def test_a_judge_is_asked_only_for_missing_verdicts(serve_judge, label, queue) -> None:
    asked: list[str] = []

    def prefer(conversation: str, a: str, b: str) -> float:
        asked.append(a)
        return 1 if a.startswith("saw") else -1

    judge = f"judge={{address: {serve_judge(prefer)}, model: m, chunk_comparisons: 1}}"
    label("judge", queue.head(1), judge)
    assert len(asked) == 2
    labels = label("judge", queue, judge)
    assert len(asked) == 8
    assert labels["preferred"].to_list() == ["first"] * 4


def test_labels_of_another_oracle_stay(serve_judge, label, queue) -> None:
    judge = f"judge={{address: {serve_judge(lambda *_: 0)}, model: m}}"
    label("judge", queue, judge)
    labels = label("gold", queue)
    found = labels.group_by("oracle", "preferred").len().sort("oracle")
    assert found.rows() == [("gold", "first", 4), ("judge", "tie", 4)]
