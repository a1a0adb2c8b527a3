"""Functions, verifiers and sums as rankers, on a real lake and without a model."""

import logging
from types import SimpleNamespace

import polars as pl
import pytest

from assets.loop.ranking.ensemble import EnsembleRanker
from assets.loop.ranking.registry import find_ranker
from assets.loop.scores import score_missing
from training.settings.loop import LoopSettings
from training.settings.rewards.ensemble import EnsembleSettings
from training.settings.rewards.reward import RewardSettings
from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.pairs.responses import read_with_references
from transforms.settings.commits import CommitSettings

SLICE = {"experiment": "e", "iteration": 1}
WORDS = "def words(responses):\n    return [float(len(text.split())) for text in responses]\n"
SIZE = "def size(responses):\n    return [len(text) / 3 for text in responses]\n"
INVERSE = "def inverse(responses):\n    return [1 / len(text) for text in responses]\n"
NEAR = "def near(responses, reference):\n    return [float(r == 'two words') for r in reference]\n"
GUARDED = "def inverse(responses):\n    return [1 / max(len(text), 1) for text in responses]\n"


@pytest.fixture
def step(tmp_path):
    """A step over a lake with two prompts and three responses, one of them empty."""
    lake = Lake(tmp_path / "lake")
    prompts = [
        {"prompt_id": key, "source": "s", "prompt": [{"role": "user", "content": key}],
         "reference": reference}
        for key, reference in (("p", "two words"), ("q", None))
    ]  # fmt: skip
    splits = [{"prompt_id": "p", "split": "iteration_1"}, {"prompt_id": "q", "split": "validation"}]
    generations = [
        {**SLICE, "prompt_id": "p", "response_index": index, "response": text,
         "policy_id": "policy", "sampling_id": "sampling"}
        for index, text in enumerate(("two words", "", "three more words"))
    ]  # fmt: skip
    for table, rows in (
        ("prompts", prompts), ("prompt_splits", splits), ("generations", generations),
    ):  # fmt: skip
        lake.append(table, pl.DataFrame(rows, schema=schema_of(table)))
    return SimpleNamespace(
        lake=lake, asset="iteration_1/scores", loop=LoopSettings(), log=logging.getLogger("step"),
        commits=CommitSettings(),
    )  # fmt: skip


@pytest.fixture
def find(tmp_path):
    """Find a reward of a recipe with these rewards."""

    def find_reward(name, **rewards):
        settings = {key: RewardSettings(**value) for key, value in rewards.items()}
        recipe = SimpleNamespace(resolve_rankers=lambda: settings)
        return find_ranker(SimpleNamespace(recipe=recipe), LoopSettings(), name)

    return find_reward


@pytest.fixture
def write(tmp_path):
    def write_code(name, code):
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
        return {"function": f"{tmp_path}/{name}.py:{name}"}

    return write_code


def rewards_of(step):
    return step.lake.read("scores", **SLICE).sort("response_index")["reward"].to_list()


def test_a_function_scores_once_and_again_after_an_edit(step, find, write):
    ranker = find("words", words=write("words", WORDS))
    assert score_missing(step, ranker, SLICE)["responses_scored"] == 3
    assert rewards_of(step) == [2.0, 0.0, 3.0]
    again = find("words", words=write("words", WORDS))
    assert score_missing(step, again, SLICE)["responses_scored"] == 0
    edited = find("words", words=write("words", WORDS.replace("float", "-float")))
    assert score_missing(step, edited, SLICE)["responses_scored"] == 3
    assert rewards_of(step) == [-2.0, 0.0, -3.0]


def test_scores_by_references_are_computed_again_after_a_reference_has_changed(step, find, write):
    rewards = {
        "right": {"verifier": "exact_match"},
        "near": write("near", NEAR),
        "words": write("words", WORDS),
        "both": {"sum": {"right": 2.0, "words": 1.0}},
    }
    expected = {
        "right": ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]),
        "near": ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0]),
        "words": ([2.0, 0.0, 3.0], None),
        "both": ([4.0, 0.0, 3.0], [2.0, 0.0, 5.0]),
    }
    prompts = step.lake.read("prompts")
    for name, (before, after) in expected.items():
        step.lake.overwrite("prompts", prompts)
        assert score_missing(step, find(name, **rewards), SLICE)["responses_scored"] == 3
        assert rewards_of(step) == before
        changed = pl.when(pl.col("prompt_id") == "p").then(pl.lit("three more words"))
        step.lake.overwrite("prompts", prompts.with_columns(reference=changed))
        scored = score_missing(step, find(name, **rewards), SLICE)["responses_scored"]
        assert scored == (0 if after is None else 3), name
        assert rewards_of(step) == (after or before), name


def test_a_sum_keeps_the_parts_of_a_failed_run(step, find, write):
    def sum_of(code):
        parts = {"words": write("words", WORDS), "inverse": write("inverse", code)}
        return find("both", **parts, both={"sum": {"words": 1.0, "inverse": -9.0}})

    with pytest.raises(InputError, match=r"prompt p, response 1(.|\n)*ZeroDivisionError"):
        score_missing(step, sum_of(INVERSE), SLICE)
    assert step.lake.read("score_components", **SLICE)["component"].to_list() == ["words"] * 3
    score_missing(step, sum_of(GUARDED), SLICE)
    assert rewards_of(step) == [1.0, -9.0, pytest.approx(3 - 9 / 16)]
    assert step.lake.read("score_components", **SLICE).height == 6


def test_a_changed_weight_or_part_calls_no_function_again(step, find, write, tmp_path):
    calls = tmp_path / "calls"
    calls.touch()
    counted = f"    open({str(calls)!r}, 'a').write('x' * len(responses))\n    return"
    parts = {name: write(name, code.replace("    return", counted))
             for name, code in (("words", WORDS), ("inverse", GUARDED))}  # fmt: skip

    def count(**weights):
        """Score by a sum; return the number of responses that a function was called with."""
        calls.write_text("")
        ranker = find("both", **parts, both={"sum": weights})
        assert score_missing(step, ranker, SLICE)["responses_scored"] == 3
        return len(calls.read_text())

    assert count(words=1.0, inverse=-9.0) == 6
    assert count(words=2.0, inverse=9.0) == 0
    assert rewards_of(step) == [4 + 9 / 9, 0 + 9, pytest.approx(6 + 9 / 16)]
    stored = step.lake.read("score_components", **SLICE)
    assert set(stored.select("component", "weight").rows()) == {("words", 2.0), ("inverse", 9.0)}
    parts["third"] = write("third", "def third(responses):\n    return [1 for _ in responses]\n")
    assert count(words=2.0, third=1.0) == 0
    assert rewards_of(step) == [5.0, 1.0, 7.0]
    assert set(step.lake.read("score_components", **SLICE)["component"]) == {"words", "third"}
    assert score_missing(step, find("words", **parts), SLICE)["responses_scored"] == 3
    assert step.lake.read("score_components", **SLICE).is_empty()


def test_a_sum_with_other_weights_calls_no_function_in_another_experiment(
    step, find, write, tmp_path
):
    calls = tmp_path / "calls"
    counted = f"    open({str(calls)!r}, 'a').write('x' * len(responses))\n    return"
    parts = {name: write(name, code.replace("    return", counted))
             for name, code in (("words", WORDS), ("inverse", GUARDED))}  # fmt: skip

    def count(experiment, name, words=1.0, inverse=1.0):
        """Score by a ranker; return the number of responses that a function was called with."""
        calls.write_text("")
        ranker = find(name, **parts, both={"sum": {"words": words, "inverse": inverse}})
        score_missing(step, ranker, {**SLICE, "experiment": experiment})
        return len(calls.read_text())

    mine = step.lake.read("generations", **SLICE)
    for experiment in ("alone", "other"):
        step.lake.append("generations", mine.with_columns(experiment=pl.lit(experiment)))
    changed = pl.when(response_index=2).then(pl.lit("four")).otherwise("response")
    edited = {"experiment": pl.lit("edited"), "response": changed}
    step.lake.append("generations", mine.with_columns(**edited))
    assert count("alone", "words") == 3
    # the words are scores of the ranker `words`
    assert count("e", "both", words=1.0, inverse=-9.0) == 3
    assert count("other", "both", words=2.0, inverse=9.0) == 0
    stored = step.lake.read("score_components", experiment="other")
    assert set(stored.select("component", "weight").rows()) == {("words", 2.0), ("inverse", 9.0)}
    rewards = step.lake.read("scores", experiment="other").sort("response_index")["reward"]
    assert rewards.to_list() == [4 + 9 / 9, 0 + 9, pytest.approx(6 + 9 / 16)]
    # another text, and another version of a part
    assert count("edited", "both", words=2.0, inverse=9.0) == 6
    parts["words"] = write("words", WORDS.replace("    return", counted) + "EDITED = 1\n")
    assert count("other", "both", words=2.0, inverse=9.0) == 3


@pytest.fixture
def ensemble(find, write):
    """An ensemble whose members count words and bytes; real ones are trained in a slow test."""
    parts = {"reward_model": write("words", WORDS), "reward_model_b": write("size", SIZE)}
    found = {name: find(name, **parts) for name in parts}
    settings = EnsembleSettings(members=tuple(parts), spread_weight=2.0)
    return EnsembleRanker(found["reward_model"].study, "ensemble", settings, found)


def test_an_ensemble_subtracts_the_spread_of_its_members(step, ensemble):
    # words 2 0 3, centred 1/3 -5/3 4/3; a third of the characters 3 0 16/3, centred 2/9 -25/9 23/9
    spread = [difference / 2**0.5 for difference in (1 / 9, 10 / 9, 11 / 9)]
    means = [2.5, 0.0, (3 + 16 / 3) / 2]
    assert score_missing(step, ensemble, SLICE)["spread_mean"] == pytest.approx(sum(spread) / 3)
    assert rewards_of(step) == pytest.approx(
        [mean - 2 * one for mean, one in zip(means, spread, strict=True)]
    )
    parts = step.lake.read("score_components", **SLICE).sort("response_index", "component")
    assert parts["component"].to_list() == ["reward_model", "reward_model_b", "spread"] * 3
    assert parts["weight"].to_list() == [0.5, 0.5, -2.0] * 3
    assert parts.filter(component="spread")["reward"].to_list() == pytest.approx(spread)
    sums = parts.group_by("response_index", maintain_order=True).agg(
        pl.col("weight").dot(pl.col("reward"))
    )
    assert sums["weight"].to_list() == pytest.approx(rewards_of(step))
    assert score_missing(step, ensemble, SLICE)["responses_scored"] == 0


def test_an_ensemble_with_another_weight_keeps_its_parts(step, ensemble):
    score_missing(step, ensemble, SLICE)
    settings = EnsembleSettings(members=ensemble.settings.members, spread_weight=0.0)
    mean = EnsembleRanker(ensemble.study, "ensemble_mean", settings, ensemble.parts)
    before = step.lake.read("score_components", **SLICE)
    assert score_missing(step, mean, SLICE)["responses_scored"] == 3
    assert rewards_of(step) == pytest.approx([2.5, 0.0, (3 + 16 / 3) / 2])
    after = step.lake.read("score_components", **SLICE)
    assert after.drop("weight", "ranker").equals(before.drop("weight", "ranker"))
    assert set(after.filter(component="spread")["weight"]) == {0.0}


def test_an_ensemble_compares_the_responses_of_one_decoding(step, ensemble):
    rows = pl.DataFrame(
        {
            "decoding": ["greedy", "sampled", "sampled"],
            "prompt_id": ["p"] * 3,
            "response_index": [0, 0, 1],
            "response": ["two words", "", "three more words"],
            "prompt": [[{"role": "user", "content": "p"}]] * 3,
        },
        schema_overrides={"response_index": pl.Int32},
    )
    found = ensemble.score(step, rows, lambda _: None).to_list()
    # sampled: words 0 3, a third of the characters 0 16/3; centred, they differ by 7/6 on both
    assert found == pytest.approx([2.5, -2 * 2**0.5 * 7 / 12, 25 / 6 - 2 * 2**0.5 * 7 / 12])


def test_references_are_checked_before_anything_is_sampled(step, find, write):
    rewards = {
        "right": {"verifier": "exact_match"},
        "words": write("words", WORDS),
        "both": {"sum": {"words": 1, "right": 1}},
    }
    prompts = read_with_references(step.lake, ("iteration_1", "validation"))
    for name in ("right", "both"):
        ranker = find(name, **rewards)
        ranker.prepare(step, read_with_references(step.lake, ("iteration_1",)))
        with pytest.raises(InputError, match="cannot use the reference of prompt q"):
            ranker.prepare(step, prompts)
    find("words", **rewards).prepare(step, prompts)
    score_missing(step, find("right", **rewards), SLICE)
    assert rewards_of(step) == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("name", ["given", "judge"])
def test_a_model_is_looked_for_before_anything_is_sampled(step, make_tiny, name):
    recipe = make_tiny("rewards={given: {path: no/model}}", "judge={path: no/model}")
    step.study = SimpleNamespace(recipe=recipe)
    ranker = find_ranker(step.study, LoopSettings(), name)
    with pytest.raises(InputError, match="no/model cannot be read"):
        ranker.prepare(step, pl.DataFrame())


def test_functions_and_sums_score_labelled_pairs(step, find, write):
    pairs = pl.DataFrame(
        {
            "pair_id": ["x"],
            "prompt": [[{"role": "user", "content": "q"}]],
            "chosen": [[{"role": "assistant", "content": "a b c"}]],
            "rejected": [[{"role": "assistant", "content": "a"}]],
        }
    )
    parts = {"words": write("words", WORDS), "inverse": write("inverse", GUARDED)}
    ranker = find("both", **parts, both={"sum": {"words": 1.0, "inverse": 5.0}})
    found, without = ranker.pair_rewards(step, pairs)
    assert found.rows() == [("x", 4.0, 6.0)]
    assert without.is_empty()
