"""The feedback assets: drawn, and run for experiments with and without feedback."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg

from assets.definitions import build_definitions
from assets.staleness import name_of, read_by
from training.recipe import Recipe
from transforms.tables.lake import Lake

REFRESHED = "experiments={iterative: {}, refreshed: {feedback: {labels: 5}}}"
NOUNS = ("label_queue", "preference_labels", "reward_model")


def test_only_a_recipe_with_feedback_draws_it(
    tiny_recipe: Recipe, make_tiny: Callable[..., Recipe]
) -> None:
    def drawn(recipe: Recipe) -> set[str]:
        graph = build_definitions(recipe, "unused").resolve_asset_graph()
        return {name_of(key) for key in graph.get_all_asset_keys()}

    added = drawn(make_tiny(REFRESHED)) - drawn(tiny_recipe)
    assert added == {f"iteration_{t}/{noun}" for t in (1, 2) for noun in NOUNS}


def test_scores_read_the_refreshed_model_of_their_iteration(make_tiny) -> None:
    graph = build_definitions(make_tiny(REFRESHED), "unused").resolve_asset_graph()
    scores = graph.get(dg.AssetKey(["iteration_2", "scores"]))
    assert "iteration_2/reward_model" in read_by(scores, "refreshed")
    assert "reward_model" not in read_by(scores, "refreshed")
    assert "reward_model" in read_by(scores, "iterative")
    assert "iteration_2/reward_model" not in read_by(scores, "iterative")


def test_a_job_makes_nothing_for_an_experiment_without_feedback(make_tiny, tmp_path: Path) -> None:
    definitions = build_definitions(make_tiny(REFRESHED), tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        ran = definitions.resolve_job_def("iteration_1").execute_in_process(
            instance=instance,
            partition_key="iterative",
            asset_selection=[dg.AssetKey(["iteration_1", noun]) for noun in NOUNS],
        )
    assert ran.success
    assert [check.passed for check in ran.get_asset_check_evaluations()] == [True]
    assert Lake(tmp_path).tables() == []
