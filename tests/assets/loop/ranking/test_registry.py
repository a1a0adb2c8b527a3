"""Rankers by kind, and the graph of experiments that rank by different ones."""

import json

import pytest

from assets.declare import READS
from assets.definitions import build_definitions
from assets.loop.ranking.registry import RANKERS
from assets.staleness import name_of
from training.settings.rankers import RANKER_KINDS
from transforms.errors import InputError

OTHER = ("reward_models={b: {learning_rate: 1.0e-4}}", "preference_model={learning_rate: 1.0e-3}")
CHOSEN = {"iterative": "reward_model", "other": "reward_model_b", "pairwise": "preference_model"}
OVERRIDES = {experiment: {"ranker": ranker} for experiment, ranker in CHOSEN.items()}
EXPERIMENTS = f"experiments={json.dumps(OVERRIDES)}"  # JSON is YAML


def test_every_kind_has_a_class():
    assert list(RANKERS) == [kind.name for kind in RANKER_KINDS]


def test_a_judge_ranks_by_round_robin_only(make_tiny):
    judge = "judge={address: http://127.0.0.1:9, model: m}"
    with pytest.raises(InputError, match=r"a judge ranks by ranking.method round_robin only"):
        make_tiny(judge, "experiments={e: {ranker: judge, ranking: {method: tournament}}}")


def test_an_experiment_reads_its_ranker_and_no_other(make_tiny, tmp_path):
    graph = build_definitions(make_tiny(*OTHER, EXPERIMENTS), tmp_path).resolve_asset_graph()
    nodes = {name_of(key): graph.get(key) for key in graph.get_all_asset_keys()}
    assert {"reward_model", "reward_model_b", "preference_model"} <= set(nodes)
    scores = nodes["iteration_1/scores"]
    assert {"reward_model", "reward_model_b", "preference_model"} <= set(
        map(name_of, scores.parent_keys)
    )
    assert {e: scores.metadata[READS + e].value[-1] for e in CHOSEN} == CHOSEN


def test_a_ranker_that_the_recipe_does_not_have_is_refused(make_tiny):
    with pytest.raises(InputError, match=r"ranks by 'judge'; the rankers are reward_model"):
        make_tiny("experiments={iterative: {ranker: judge}}")
    with pytest.raises(InputError, match="reward_model_c"):
        make_tiny(*OTHER, "experiments={iterative: {ranker: reward_model_c}}")


def test_a_mixture_that_the_recipe_does_not_have_is_refused(make_tiny):
    with pytest.raises(InputError, match=r"reward_model_b.mixture is 'mix9'; the mixtures are all"):
        make_tiny("reward_models={b: {mixture: mix9}}")
