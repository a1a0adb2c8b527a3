"""Rankers by kind, and the graph of experiments that rank by different ones."""

import json

import pytest

from assets.declare import READS
from assets.graph import build_definitions
from assets.loop.ranking.registry import RANKERS, REWARDS, find_ranker
from assets.metadata import SETTINGS
from assets.staleness import name_of
from assets.study import Study
from training.settings.rankers import RANKER_KINDS
from training.settings.rewards.reward import WAYS
from transforms.errors import InputError

OTHER = ("reward_models={b: {learning_rate: 1.0e-4}}", "preference_model={learning_rate: 1.0e-3}")
CHOSEN = {"iterative": "reward_model", "other": "reward_model_b", "pairwise": "preference_model"}
OVERRIDES = {experiment: {"ranker": ranker} for experiment, ranker in CHOSEN.items()}
CODE = "def score(responses):\n    return [len(text) for text in responses]\n"
ASKS = "def asks(responses, reference):\n    return [0.0 for _ in responses]\n"
BOTH = "both: {sum: {reward_model: 1, short: -0.1}}"
SCORES = "iteration_1/scores"
EXPERIMENTS = f"experiments={json.dumps(OVERRIDES)}"  # JSON is YAML


def test_every_kind_has_a_class():
    assert list(RANKERS) == [kind.name for kind in RANKER_KINDS if not kind.is_named]
    assert list(REWARDS) == list(WAYS)


def test_a_sum_reads_the_assets_of_its_parts_and_its_settings_have_theirs(make_tiny, tmp_path):
    (tmp_path / "rewards.py").write_text(CODE, encoding="utf-8")
    rewards = f"rewards={{short: {{function: '{tmp_path}/rewards.py:score'}}, {BOTH}}}"
    recipe = make_tiny(rewards, "experiments={e: {ranker: both}, f: {ranker: short}}")
    graph = build_definitions(recipe, tmp_path).resolve_asset_graph()
    (scores,) = (graph.get(key) for key in graph.get_all_asset_keys() if name_of(key) == SCORES)
    assert scores.metadata[READS].value["e"][2:] == ["reward_model"]
    assert scores.metadata[READS].value["f"][2:] == []
    before = scores.metadata[SETTINGS].value["f"]
    assert scores.metadata[SETTINGS].value["e"]["parts"]["short"] == before
    (tmp_path / "rewards.py").write_text(f"{CODE}EDITED = True\n", encoding="utf-8")
    ranker = find_ranker(Study(recipe), recipe.loop, "short")
    assert ranker.response_settings(recipe.loop) != before


def test_the_default_engine_is_not_in_the_settings_and_another_one_is(make_tiny):
    """So that stored scores keep their ranking_id: they are those of the default engine."""
    settings = {}
    parts = "rewards={exact: {verifier: number}, both: {sum: {reward_model: 1, exact: 1}}}"
    for engine in ("transformers", "vllm"):
        recipe = make_tiny(f"loop.scoring.engine={engine}", parts, *OTHER)
        for name in ("reward_model", "both", "preference_model"):
            ranker = find_ranker(Study(recipe), recipe.loop, name)
            settings[engine, name] = ranker.response_settings(recipe.loop)
    one = {"ranker": "reward_model", "dtype": "float32"}
    assert settings["transformers", "reward_model"] == one
    assert settings["vllm", "reward_model"] == one | {"engine": "vllm"}
    assert settings["vllm", "both"]["parts"]["reward_model"] == one | {"engine": "vllm"}
    assert settings["vllm", "preference_model"] == settings["transformers", "preference_model"]


def test_only_rankers_without_references_rank_labelled_pairs(make_tiny, tmp_path):
    (tmp_path / "rewards.py").write_text(f"{CODE}{ASKS}", encoding="utf-8")
    file = f"{tmp_path}/rewards.py"
    recipe = make_tiny(
        f"rewards={{a: {{function: '{file}:score'}}, b: {{function: '{file}:asks'}},"
        " c: {verifier: number}, d: {sum: {a: 1, reward_model: 1}}, e: {sum: {a: 1, c: 1}}}"
    )
    found = {name: find_ranker(Study(recipe), recipe.loop, name) for name in recipe.rewards}
    assert {name: ranker.ranks_pairs for name, ranker in found.items()} == {
        "a": True, "b": False, "c": False, "d": True, "e": False,
    }  # fmt: skip


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
    assert {e: scores.metadata[READS].value[e][-1] for e in CHOSEN} == CHOSEN


ENSEMBLE = (
    "reward_models={b: {}}",
    "ensemble={members: [reward_model, reward_model_b], spread_weight: 1}",
    "ensembles={mean: {spread_weight: 0}}",
)


def test_an_ensemble_reads_the_assets_of_its_members(make_tiny, tmp_path):
    experiments = "experiments={e: {ranker: ensemble}, f: {ranker: ensemble_mean}}"
    recipe = make_tiny(*ENSEMBLE, experiments)
    graph = build_definitions(recipe, tmp_path).resolve_asset_graph()
    nodes = {name_of(key): graph.get(key) for key in graph.get_all_asset_keys()}
    assert not {"ensemble", "ensemble_mean"} & set(nodes)
    scores = nodes[SCORES].metadata
    assert scores[READS].value["e"][-2:] == ["reward_model", "reward_model_b"]
    weights = [scores[SETTINGS].value[name]["spread_weight"] for name in "ef"]
    assert weights == [1.0, 0.0]
    assert recipe.evaluation_reward == "reward_model"
    assert Study(recipe).seed("reward_model") != Study(recipe).seed("reward_model_b")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("ensemble={members: [reward_model], spread_weight: 1}",), "at least 2"),
        (("ensemble={members: [reward_model, reward_model], spread_weight: 1}",), "member twice"),
        (
            ("ensemble={members: [reward_model, reward_model_x], spread_weight: 1}",),
            r"ensemble.members has 'reward_model_x'; the reward models .* are reward_model",
        ),
        (("ensembles={mean: {spread_weight: 0}}",), "ensembles are overrides of ensemble"),
        (
            (*ENSEMBLE, "experiments={e: {ranker: ensemble, feedback: {}}}"),
            "the ranker ensemble has several: reward_model, reward_model_b",
        ),
        (
            (*ENSEMBLE, "experiments={e: {ranker: ensemble, sampling: {adaptive: {round: 2,"
             " enough_margin: 1}}}}"),
            "it allows no other ranker",
        ),
        ((*ENSEMBLE, "evaluation.rewards=[ensemble]"), "can measure a response are reward_model"),
    ],
)  # fmt: skip
def test_an_ensemble_that_cannot_be_is_refused(make_tiny, overrides, words):
    with pytest.raises(InputError, match=words):
        make_tiny(*overrides)


def test_a_ranker_that_the_recipe_does_not_have_is_refused(make_tiny):
    with pytest.raises(InputError, match=r"ranks by 'judge'; the rankers are reward_model"):
        make_tiny("experiments={iterative: {ranker: judge}}")
    with pytest.raises(InputError, match="reward_model_c"):
        make_tiny(*OTHER, "experiments={iterative: {ranker: reward_model_c}}")


def test_a_mixture_that_the_recipe_does_not_have_is_refused(make_tiny):
    with pytest.raises(InputError, match=r"reward_model_b.mixture is 'mix9'; the mixtures are all"):
        make_tiny("reward_models={b: {mixture: mix9}}")
