"""Rewards of a recipe: what is refused before anything runs, and what an experiment may use."""

import json
from pathlib import Path

import pytest

from training.recipe_file import load_recipe
from training.settings.stages import RewardModelSettings
from transforms.errors import InputError

ALONE = "iterative: null, raft_concise: null"
CODE = "def score(responses):\n    return [len(text) for text in responses]\n"


@pytest.fixture
def write(tmp_path, make_tiny):
    """Write a recipe with rewards, and a file of functions beside it."""
    (tmp_path / "rewards.py").write_text(CODE, encoding="utf-8")

    def make(rewards, *overrides, ranker=None):
        experiments = (
            [] if ranker is None else [f"experiments={{{ALONE}, e: {{ranker: {ranker}}}}}"]
        )
        return make_tiny(f"rewards={json.dumps(rewards)}", *experiments, *overrides)

    make.file = f"{tmp_path}/rewards.py:score"
    return make


def test_a_function_beside_the_recipe_is_found(tmp_path, write, tiny_overrides):
    base = Path(__file__).parents[4] / "recipes" / "quickstart.yaml"
    text = f"base: {base}\nname: study\nrewards: {{short: {{function: 'rewards.py:score'}}}}\n"
    (tmp_path / "study.yaml").write_text(text)
    recipe = load_recipe(tmp_path / "study.yaml", tiny_overrides)
    assert recipe.rewards["short"].function == write.file


def test_every_way_is_a_ranker(write):
    rewards = {
        "short": {"function": write.file},
        "given": {"path": "org/model", "revision": "abc"},
        "right": {"verifier": "number"},
        "both": {"sum": {"reward_model": 1, "short": -0.1, "given": 2}},
    }
    recipe = write(rewards, ranker="both")
    assert {*rewards} < {*recipe.resolve_rankers()}
    assert {*rewards} & {*recipe.resolve_trained_rankers()} == set()


@pytest.mark.parametrize(
    ("reward", "fault"),
    [
        ({}, "set exactly one of path, function, verifier, sum"),
        ({"path": "a", "verifier": "number"}, "set exactly one of"),
        ({"verifier": "number", "revision": "a"}, "only `path` has a revision"),
        ({"verifier": "rhyme"}, "exact_match"),
        ({"function": "absent.py:score"}, "No such file"),
        ({"sum": {"reward_model": 1}}, "at least two parts"),
        ({"sum": {"reward_model": 1, "right": 0}}, "has the weight 0"),
        ({"sum": {"reward_model": 1, "judge": 1}}, "part 'judge'.* are reward_model, right"),
        ({"sum": {"reward_model": 1, "one": 1}}, "part 'one'"),
    ],
)
def test_a_reward_that_cannot_be_computed_is_refused(write, reward, fault):
    with pytest.raises(InputError, match=fault):
        write({"right": {"verifier": "number"}, "one": reward})


@pytest.mark.parametrize("name", ["reward_model", "reward_model_b", "judge", "sft_policy"])
def test_the_name_of_another_ranker_is_refused(write, name):
    with pytest.raises(InputError, match=f"rewards.{name}: another model or ranker"):
        write({name: {"verifier": "number"}})


@pytest.mark.parametrize("ranker", ["right", "both"])
def test_a_verifier_needs_references_of_every_source_of_prompts(write, ranker):
    rewards = {
        "right": {"verifier": "number"},
        "both": {"sum": {"right": 1, "reward_model": 1}},
    }
    with pytest.raises(InputError, match=r"set sources.sample_prompts.reference or"):
        write(rewards, ranker=ranker)
    source = "sources.sample_prompts={sample_task: false, files: [p.jsonl], reference: answer}"
    assert write(rewards, source, ranker=ranker).rewards["right"].verifier == "number"
    assert write(rewards, "sources.sample_prompts.instructions=2", ranker=ranker)


def test_a_reward_may_score_between_rounds_and_in_a_policy_gradient(write):
    rewards = {"short": {"function": write.file}}
    adaptive = "loop.sampling.adaptive={round: 2, enough_margin: 1.0}"
    assert write(rewards, adaptive, ranker="short")
    rloo = (
        "experiments={e: {ranker: short, objective: rloo, rloo: {batch_size: 32, max_tokens: 64}}}"
    )
    assert write(rewards, rloo).resolve_loop("e").ranker == "short"
    judged = {"right": {"verifier": "number"}}
    with pytest.raises(InputError, match="e ranks by the verifier right, and prompts of"):
        write(judged, rloo.replace("short", "right"))


@pytest.mark.parametrize(
    ("ranker", "fault"),
    [
        ("short", "short has none: a function and a verifier have no weights"),
        ("words", "words has none"),
        ("two", "the ranker two has several: reward_model, brought"),
        ("both", None),
        ("other", None),
        ("brought", None),
        ("reward_model", None),
    ],
)
def test_feedback_trains_the_one_reward_model_of_a_ranker(write, ranker, fault):
    rewards = {
        "short": {"function": write.file},
        "brought": {"path": "./brought"},
        "words": {"sum": {"short": 1, "half": 1}},
        "half": {"function": write.file},
        "two": {"sum": {"reward_model": 1, "brought": 1}},
        "both": {"sum": {"reward_model": 1, "short": 1}},
        "other": {"sum": {"brought": 1, "short": 1}},
    }
    feedback = "{labels: 5, reward_model: {epochs: 2}}"
    overrides = f"experiments={{e: {{ranker: {ranker}, feedback: {feedback}}}}}"
    if fault:
        with pytest.raises(InputError, match=fault):
            write(rewards, overrides)
        return
    recipe = write(rewards, overrides)
    loop = recipe.resolve_loop("e")
    is_given = ranker in ("brought", "other")
    assert recipe.find_refreshed(loop) == ("brought" if is_given else "reward_model")
    base = RewardModelSettings() if is_given else recipe.reward_model
    assert recipe.resolve_refresh(loop) == base.model_copy(update={"epochs": 2})


def test_old_pairs_need_a_source_of_preferences(write):
    rewards = {"brought": {"path": "./brought"}}
    no_pairs = (
        "sources.sample_preferences=null", "reward_model=null", "offline_mixture=all",
        "loop.ranker=brought", "experiments={e: {feedback: {}}}",
    )  # fmt: skip
    with pytest.raises(InputError, match=r"experiment e: feedback\.replay adds pairs"):
        write(rewards, *no_pairs)
    assert write(rewards, *no_pairs, "experiments.e.feedback.replay=0")


@pytest.mark.parametrize(("ranker", "optimises"), [("short", False), ("both", True)])
def test_a_sum_optimises_what_its_parts_optimise(write, ranker, optimises):
    rewards = {
        "short": {"function": write.file},
        "both": {"sum": {"reward_model": 1, "short": 1}},
    }
    promotion = ("promotion={metric: win_rate_reward}", "splits.promotion_fraction=0.1")
    if not optimises:
        assert write(rewards, *promotion, ranker=ranker)
        return
    with pytest.raises(InputError, match="win_rate_reward, which e optimises"):
        write(rewards, *promotion, ranker=ranker)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["unknown"], "'unknown'; the rewards that can measure a response are reward_model, short"),
        (["both"], "a sum cannot"),
        (["preference_model"], "'preference_model'"),
        (["short", "short"], "twice"),
        (["reward"], "name of a column"),
        (["followed"], "no source of prompts"),
    ],
)
def test_a_further_reward_that_cannot_measure_is_refused(write, names, found):
    rewards = {
        "short": {"function": write.file},
        "reward": {"function": write.file},
        "followed": {"verifier": "instructions"},
        "both": {"sum": {"reward_model": 1, "short": 1}},
    }
    with pytest.raises(InputError, match=found):
        write(rewards, "preference_model={}", f"evaluation.rewards={json.dumps(names)}")


def test_further_rewards_are_those_of_single_responses(write):
    recipe = write(
        {"short": {"function": write.file}, "followed": {"verifier": "instructions"}},
        "sources.sample_prompts.instructions=1",
        "reward_models={other: {epochs: 2}}",
        "evaluation.rewards=[reward_model_other, short, followed]",
    )
    assert recipe.evaluation.rewards == ("reward_model_other", "short", "followed")
