import math

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.pairs.length_penalty import calibrate_penalty

COLUMNS = ["prompt_id", "response_index", "response_chars", "response_tokens", "reward"]


def scored(prompts):
    """Build scored responses from {prompt_id: [(chars, reward)]}; a token is three characters."""
    rows = [
        (prompt_id, index, 3 * length, length, reward)
        for prompt_id, texts in prompts.items()
        for index, (length, reward) in enumerate(texts)
    ]
    types = {**schema_of("generations"), **schema_of("scores")}
    return pl.DataFrame(rows, schema={name: types[name] for name in COLUMNS}, orient="row")


def test_a_reward_of_length_alone_gives_its_slope_back():
    # the level of each prompt's rewards does not matter
    texts = {"p": (10, 20, 50), "q": (1, 5), "r": (7, 7)}
    levels = {"p": 3.0, "q": -8.0, "r": 100.0}
    frame = scored({p: [(x, levels[p] + 0.25 * x) for x in xs] for p, xs in texts.items()})
    assert calibrate_penalty(frame, "tokens") == pytest.approx(0.25)
    assert calibrate_penalty(frame, "chars") == pytest.approx(0.25 / 3)


def test_a_reward_that_likes_short_responses_gives_a_negative_penalty():
    assert calibrate_penalty(scored({"p": [(1, 1.0), (2, 0.0)]}), "tokens") == -1


@pytest.mark.parametrize(
    "prompts",
    [{}, {"p": [(3, 1.0)]}, {"p": [(3, 1.0), (3, 2.0)], "q": [(5, 1.0)]}],
    ids=["none", "one response", "one length"],
)
def test_responses_without_two_lengths_are_refused(prompts):
    with pytest.raises(InputError, match="none with two lengths"):
        calibrate_penalty(scored(prompts), "chars")


@pytest.mark.parametrize("reward", [None, math.nan, math.inf])
def test_a_reward_that_is_not_finite_is_refused(reward):
    with pytest.raises(InputError, match=r"1 of 2 are not, the first .* response 1 of prompt p"):
        calibrate_penalty(scored({"p": [(1, 1.0), (2, reward)]}), "chars")


responses = st.lists(st.tuples(st.integers(1, 3_000), st.floats(-50, 50)), min_size=1, max_size=6)
prompts = st.dictionaries(st.sampled_from("pqrstuv"), responses, min_size=1)


@settings(max_examples=100, deadline=None)
@given(prompts, st.sampled_from(["chars", "tokens"]))
def test_penalised_with_it_the_reward_has_no_slope(prompts, unit):
    assume(any(len({length for length, _ in texts}) > 1 for texts in prompts.values()))
    frame = scored(prompts)
    penalty = calibrate_penalty(frame, unit)
    penalised = pl.col("reward") - penalty * pl.col(f"response_{unit}")
    after = calibrate_penalty(frame.with_columns(reward=penalised), unit)
    assert after == pytest.approx(0, abs=1e-10)
