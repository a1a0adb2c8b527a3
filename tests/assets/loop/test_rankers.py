"""The loop ranked by something else than the recipe's one reward model, as the graph shows it."""

import json

import pytest

from assets.declare import READS
from assets.definitions import build_definitions
from assets.staleness import name_of
from transforms.errors import InputError

OTHER = ("reward_models={b: {learning_rate: 1.0e-4}}", "preference_model={learning_rate: 1.0e-3}")
RANKERS = {"iterative": "reward_model", "other": "reward_model_b", "pairwise": "preference_model"}
OVERRIDES = {experiment: {"ranker": ranker} for experiment, ranker in RANKERS.items()}
EXPERIMENTS = f"experiments={json.dumps(OVERRIDES)}"  # JSON is YAML


def test_an_experiment_reads_its_ranker_and_no_other(make_tiny, tmp_path):
    graph = build_definitions(make_tiny(*OTHER, EXPERIMENTS), tmp_path).resolve_asset_graph()
    nodes = {name_of(key): graph.get(key) for key in graph.get_all_asset_keys()}
    assert {"reward_model", "reward_model_b", "preference_model"} <= set(nodes)
    scores = nodes["iteration_1/scores"]
    assert {"reward_model", "reward_model_b", "preference_model"} <= set(
        map(name_of, scores.parent_keys)
    )
    assert {e: scores.metadata[READS + e].value[-1] for e in RANKERS} == RANKERS


def test_a_ranker_that_the_recipe_does_not_have_is_refused(make_tiny):
    with pytest.raises(InputError, match=r"ranks by 'judge'; the rankers are reward_model"):
        make_tiny("experiments={iterative: {ranker: judge}}")
    with pytest.raises(InputError, match="reward_model_c"):
        make_tiny(*OTHER, "experiments={iterative: {ranker: reward_model_c}}")


def test_a_mixture_that_the_recipe_does_not_have_is_refused(make_tiny):
    with pytest.raises(InputError, match=r"reward_model_b.mixture is 'mix9'; the mixtures are all"):
        make_tiny("reward_models={b: {mixture: mix9}}")
