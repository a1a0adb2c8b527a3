import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import InputError
from transforms.pairs.feedback import queue
from transforms.pairs.feedback.queue import add_texts, choose_pairs, list_candidate_pairs
from transforms.pairs.judgments import make_round_robin

PROMPT = [{"role": "user", "content": "?"}]


def responses(*rows):
    """Rows of prompt_id, response, reward; the index counts from 0 within a prompt."""
    frame = pl.DataFrame(rows, schema=["prompt_id", "response", "reward"], orient="row")
    return frame.with_columns(
        response_index=pl.int_range(pl.len(), dtype=pl.Int32).over("prompt_id"),
        prompt=pl.lit([PROMPT]).list.first(),
        reward=pl.col("reward").cast(pl.Float64),
    )


def test_every_two_different_responses_of_a_prompt_are_asked_once():
    rows = responses(("p", "b", 1), ("p", "a", 0), ("p", "b", 1), ("q", "a", 2))
    pairs = list_candidate_pairs(rows)
    assert pairs.drop("pair_id", "preference_probability").rows() == [("p", 1, 0)]
    texts = add_texts(pairs, rows).select("prompt", "first", "second")
    assert texts.rows() == [(PROMPT, "a", "b")]
    assert pairs["preference_probability"].item() == pytest.approx(1 / (1 + math.e))


def test_an_id_depends_on_prompt_and_texts_alone():
    one = list_candidate_pairs(responses(("p", "a", 0), ("p", "b", 1)))
    other = list_candidate_pairs(responses(("p", "b", -3), ("p", "a", 5)))
    elsewhere = list_candidate_pairs(responses(("q", "a", 0), ("q", "b", 1)))
    assert one["pair_id"].to_list() == other["pair_id"].to_list()
    assert one["pair_id"].to_list() != elsewhere["pair_id"].to_list()


def test_a_reward_that_is_no_number_is_refused():
    with pytest.raises(InputError, match="response 1 of prompt p"):
        list_candidate_pairs(responses(("p", "a", 0), ("p", "b", math.nan)))


@given(
    st.lists(st.tuples(st.sampled_from("pqrs"), st.sampled_from("abc"), st.integers(-2, 2))),
    st.integers(0, 9),
)
def test_texts_that_are_joined_last_are_those_of_the_pair(rows, labels):
    """Pairs with their texts, of all prompts at once, give the same queue."""
    frame = responses(*rows).with_columns(response=pl.lit("text ") + pl.col("response"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue, "PROMPTS_AT_ONCE", 2)
        pairs = list_candidate_pairs(frame)
    found = add_texts(choose_pairs(pairs, labels, "uncertainty", 0), frame)
    matches, comparisons = make_round_robin(frame)
    whole = pairs.join(
        comparisons.rename({"comparison_id": "pair_id"}), on="pair_id", validate="1:1"
    )
    assert whole.height == matches["comparison_id"].drop_nulls().n_unique()
    expected = choose_pairs(whole, labels, "uncertainty", 0)
    assert found.equals(expected.select(found.columns))


def test_candidates_hold_no_texts():
    """A text is in seven pairs of eight responses: 3 GB for 20,000 prompts."""
    pairs = list_candidate_pairs(responses(("p", "a", 0), ("p", "b", 1)))
    assert {"prompt", "first", "second"}.isdisjoint(pairs.columns)


def pairs(**probabilities):
    return pl.DataFrame(
        {"pair_id": list(probabilities), "preference_probability": list(probabilities.values())}
    )


def test_uncertainty_takes_what_is_nearest_one_half_in_that_order():
    found = choose_pairs(pairs(a=0.9, b=0.45, c=0.5, d=0.6), 3, "uncertainty", 0)
    assert found["pair_id"].to_list() == ["c", "b", "d"]
    assert found["place"].to_list() == [0, 1, 2]


def test_all_are_sent_where_there_are_fewer():
    assert choose_pairs(pairs(a=0.9, b=0.1), 5, "uncertainty", 0).height == 2


def test_random_looks_at_no_probability_and_changes_with_the_seed():
    names = [f"pair {n}" for n in range(200)]
    one, other = pairs(**dict.fromkeys(names, 0.5)), pairs(**dict.fromkeys(names, 0.9))
    assert choose_pairs(one, 50, "random", 7)["pair_id"].equals(
        choose_pairs(other, 50, "random", 7)["pair_id"]
    )
    first, second = (set(choose_pairs(one, 50, "random", seed)["pair_id"]) for seed in (7, 8))
    assert 2 < len(first & second) < 30  # 12.5 are expected in common


def test_equals_go_by_the_hash_and_not_by_the_order_of_the_rows():
    equal = pairs(**dict.fromkeys("abcdefgh", 0.3))
    drawn = choose_pairs(equal, 4, "uncertainty", 1)["pair_id"].to_list()
    assert choose_pairs(equal.reverse(), 4, "uncertainty", 1)["pair_id"].to_list() == drawn
