"""The arms of the search, and the means over seeds; the runs themselves take hours."""

from pathlib import Path

import polars as pl
import pytest

from bench.claim import (
    FIGURES,
    average,
    find_baselines,
    format_table,
    list_removed,
    list_settings,
)
from training.recipe_file import load_recipe

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "claim.yaml"


@pytest.mark.parametrize(
    ("override", "baselines"),
    [
        ({}, []),
        ({"dpo": {"beta": 0.3}}, ["offline_dpo", "one_shot"]),
        ({"dpo": {"max_steps": 24}, "pairs": {"largest_margins": 0.5}}, ["one_shot"]),
        ({"ranker": "ensemble"}, ["one_shot"]),
        ({"objective": "raft"}, []),
        ({"ranker": "reward_model_fewer", "feedback": {"labels": 9}}, []),
    ],
)
def test_an_arm_is_tried_on_the_baselines_that_it_changes(override, baselines) -> None:
    assert find_baselines(override) == baselines


def test_every_arm_of_a_baseline_is_a_recipe_with_as_many_steps() -> None:
    recipe = load_recipe(RECIPE)
    arms = [name for name, one in recipe.experiments.items() if find_baselines(one)]
    assert {"sft_term", "lowest_rate", "half_margins", "guarded"} < set(arms)
    prompts = recipe.splits.prompts_per_iteration
    for name in arms:
        override = recipe.experiments[name]
        # a rate of 5e-05 stays a number on the command line
        loop = load_recipe(RECIPE, list_settings(override, recipe.loop.iterations)).loop
        share = loop.pairs.largest_margins
        assert loop.dpo.count_steps(int(3 * prompts * share)) == 72
        assert recipe.resolve_loop(name).dpo.count_steps(int(prompts * share)) == 24


def test_all_experiments_learn_from_as_many_labels() -> None:
    recipe = load_recipe(RECIPE)
    fewer = recipe.mixtures["fewer"]["sample_preferences"].max_pairs
    for name in ("refreshed", "refreshed_random"):
        feedback = recipe.resolve_loop(name).feedback
        labels = fewer + recipe.loop.iterations * feedback.labels
        assert labels <= 0.97 * recipe.sample_task.preference_pairs


@pytest.mark.parametrize(
    ("arms", "trained"),
    [
        (["larger_beta"], []),
        (["refreshed"], ["fewer"]),
        (["guarded"], ["b", "c", "d"]),
        (["averaged", "larger_beta"], ["b", "c", "d"]),
        (["raft_ruled"], []),
        ([], ["b", "c", "d", "fewer", "fewest"]),
    ],
)
def test_only_the_reward_models_of_the_chosen_arms_are_trained(arms, trained) -> None:
    recipe = load_recipe(RECIPE, list_removed(RECIPE, [], arms))
    assert [*recipe.reward_models] == trained
    assert not arms or {*recipe.experiments} == {*arms}
    assert (recipe.ensemble is None) == ("b" not in trained)


def test_the_table_fits_a_terminal() -> None:
    numbers = {name: [-12.3456, 0.5] for name in FIGURES}
    errors = {f"{name}_se": [1.2345, None] for name in FIGURES}
    names = {
        "experiment": ["shared/length_normalised_strict", "raft"],
        "model": ["offline_dpo"] * 2,
    }
    table = format_table(pl.DataFrame({**names, **numbers, **errors, "seeds": [10, 1]}))
    assert "-12.346 ± 1.234" in table.replace("1.235", "1.234")
    assert "0.5 ± NaN" in table
    assert max(map(len, table.splitlines())) <= 180
    assert len(table.splitlines()) == 6


def test_the_mean_is_over_seeds_of_the_selected_policies() -> None:
    rows = [
        (seed, "plain", model, selected, gold + seed)
        for seed in (0, 2)
        for model, selected, gold in (("iteration_1", False, 9.0), ("iteration_2", True, 1.0))
    ] + [(seed, "shared/plain", "one_shot", True, 0.5) for seed in (0, 2)]
    columns = ["seed", "experiment", "model", "selected", "gold_reward"]
    frame = pl.DataFrame(rows, schema=columns, orient="row").with_columns(
        decoding=pl.lit("sampled"), **{name: pl.lit(1.0) for name in FIGURES[1:]}
    )
    found = average(frame).select("experiment", "model", "seeds", "gold_reward", "gold_reward_se")
    assert found.rows() == [
        ("plain", "selected", 2, 2.0, pytest.approx(1.0)),
        ("shared/plain", "one_shot", 2, 0.5, pytest.approx(0.0)),
    ]
