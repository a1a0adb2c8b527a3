import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import MESSAGES
from transforms.pairs.adaptive import find_stops
from transforms.settings.pairs import AdaptiveSettings, PairSettings

PAIRS = PairSettings()


def responses(prompts):
    """Build responses from {prompt_id: rewards}; response i of a prompt has i + 1 tokens."""
    rows = [
        (1, prompt_id, index, f"text {index}", index + 1, 6, "stop", reward, 0)
        for prompt_id, rewards in prompts.items()
        for index, reward in enumerate(rewards)
    ]
    names = ["iteration", "prompt_id", "response_index", "response", "response_tokens",
             "response_chars", "finish_reason", "reward", "sampler"]  # fmt: skip
    schema = {name: {**schema_of("generations"), **schema_of("scores")}[name] for name in names}
    prompt = pl.concat_list(pl.struct(role=pl.lit("user"), content="prompt_id")).cast(MESSAGES)
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(prompt=prompt)


def stopped(rewards, pairs=PAIRS, n=8, **rule):
    return find_stops(responses({"p": rewards}), AdaptiveSettings(round=2, **rule), pairs, n).row(
        0
    )[1:]


@pytest.mark.parametrize(
    ("rewards", "rule", "expected"),
    [
        # margins after each round: 1, 3, 3, 6
        ([0, 1, 3, 2, 1, 1, 6, 0], {"enough_margin": 3}, (4, 3.0, "enough_margin")),
        ([0, 1, 3, 2, 1, 1, 6, 0], {"least_growth": 0.0}, (6, 3.0, "no_growth")),
        ([0, 1, 3, 2, 1, 1, 6, 0], {"least_growth": 2.0}, (4, 3.0, "no_growth")),
        ([0, 1, 3, 2, 1, 1, 6, 0], {"enough_margin": 9}, (8, 6.0, "n_reached")),
        ([0, 1, 3, 2, 1, 1, 6, 0], {"enough_margin": 1, "least_growth": 9},
         (2, 1.0, "enough_margin")),
        # no round to compare the first with
        ([0, 0], {"least_growth": 5.0}, (8, 0.0, "n_reached")),
        ([0, 1, 0, 1], {"least_growth": 0.0}, (4, 1.0, "no_growth")),
    ],
)  # fmt: skip
def test_when_a_prompt_is_settled(rewards, rule, expected):
    assert stopped(rewards, **rule) == expected


def test_the_margin_is_of_penalised_rewards_of_usable_responses():
    frame = responses({"p": [0.0, 8.0, 1.0, 0.0, 2.0, 0.0]}).with_columns(
        finish_reason=pl.Series(["stop", "length", "stop", "stop", "stop", "stop"]),
        response_chars=pl.Series([1, 1, 1, 1, 3, 1], dtype=pl.Int32),
    )
    rule = AdaptiveSettings(round=2, enough_margin=1.0)
    assert find_stops(frame, rule, PAIRS, 6)["responses"].to_list() == [2]
    # one usable response has no margin; with two more it is 1, and 0.5 less than the best's length
    pairs = PairSettings(drop_truncated=True, length_penalty=0.5)
    assert find_stops(frame, rule, pairs, 6).row(0)[1:] == (4, 1.0, "enough_margin")
    none = frame.with_columns(finish_reason=pl.lit("length"))
    assert find_stops(none, rule, pairs, 6).row(0)[1:] == (6, None, "n_reached")


def test_a_calibrated_penalty_is_refused():
    with pytest.raises(InputError, match="calibrated"):
        stopped([0, 1], PairSettings(length_penalty="calibrated"), enough_margin=1)


def test_a_rule_without_a_bound_is_refused():
    with pytest.raises(ValidationError, match="no prompt stops early"):
        AdaptiveSettings(round=2)


rewards = st.lists(st.integers(-8, 8).map(lambda q: q / 4), min_size=8, max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from("pqr"), rewards, min_size=1),
    st.sampled_from([2, 4]),
    st.none() | st.integers(1, 8).map(lambda q: q / 4),
    st.integers(0, 4).map(lambda q: q / 4),
)
def test_drawing_round_by_round_stops_where_the_replay_does(prompts, size, enough, growth):
    """The rule gives the same result for the responses so far as for all responses."""
    rule = AdaptiveSettings(round=size, enough_margin=enough, least_growth=growth)
    whole = responses(prompts)
    expected = find_stops(whole, rule, PAIRS, 8)
    drawn = whole.clear()
    due = whole.select("prompt_id").unique()
    for first in range(0, 8, size):
        in_round = pl.col("response_index").is_between(first, first + size - 1)
        drawn = pl.concat([drawn, whole.filter(in_round).join(due, on="prompt_id", how="semi")])
        so_far = find_stops(drawn, rule, PAIRS, 8)
        due = so_far.filter(pl.col("responses") > first + size).select("prompt_id")
    assert due.is_empty()
    assert find_stops(drawn, rule, PAIRS, 8).equals(expected)
    counts = drawn.group_by("prompt_id").len().sort("prompt_id")["len"].to_list()
    assert counts == expected["responses"].to_list()
