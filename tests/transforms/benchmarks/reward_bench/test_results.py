import math
import statistics

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.benchmarks.reward_bench.results import (
    average_by_subset,
    compare_pairs,
    measure_bench_set,
)
from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import MESSAGES


def text(role, content):
    return [{"role": role, "content": content}]


def pair(pair_id, subset, chosen, rejected, prompt=None):
    return {
        "pair_id": pair_id,
        "subset": subset,
        "prompt": text("user", prompt or pair_id),
        "chosen": text("assistant", chosen),
        "rejected": text("assistant", rejected),
    }


def pairs_of(*rows):
    schema = {"pair_id": pl.String, "subset": pl.String}
    sides = dict.fromkeys(("prompt", "chosen", "rejected"), MESSAGES)
    return pl.DataFrame(rows, schema=schema | sides)


def rewards_of(**rewards):
    return pl.DataFrame(
        [(pair_id, *both) for pair_id, both in rewards.items()],
        schema={"pair_id": pl.String, "chosen_reward": pl.Float64, "rejected_reward": pl.Float64},
        orient="row",
    )


PAIRS = pairs_of(
    pair("a", "s", "long", "no"),
    pair("b", "s", "no", "long"),
    pair("c", "s", "é", "n"),
    pair("d", "t", "no", "long"),
    pair("e", "t", "long", "no"),
)
REWARDS = rewards_of(a=(2.0, 1.0), b=(1.0, 2.0), c=(1.0, 1.0), d=(0.5, -0.5), e=(-2.0, -3.0))
LABELS = {"bench": "x", "model": "m", "model_id": "i", "kind": "reward_model", "mixture": "all"}


def results_of(pairs, rewards, sections, weights):
    return measure_bench_set(pairs, rewards, sections, weights, **LABELS)


def test_a_pair_counts_one_a_half_or_nothing():
    judged = compare_pairs(PAIRS, REWARDS)
    assert judged["pair_accuracy"].to_list() == [1.0, 0.0, 0.5, 1.0, 1.0]
    assert judged["longer_wins"].to_list() == [1.0, 0.0, 0.5, 0.0, 1.0]
    assert average_by_subset(judged, "pair_accuracy").rows() == [("s", 0.5, 3, 0), ("t", 1.0, 2, 0)]


def test_a_pair_without_reward_is_in_neither_figure():
    judged = compare_pairs(PAIRS, REWARDS.filter(pl.col("pair_id") != "b"))
    assert judged["pair_accuracy"].to_list() == [1.0, None, 0.5, 1.0, 1.0]
    assert judged["longer_wins"].to_list() == [1.0, None, 0.5, 0.0, 1.0]
    assert average_by_subset(judged, "longer_wins").rows()[0] == ("s", 0.75, 2, 1)


@pytest.mark.parametrize(
    ("pairs", "rewards", "said"),
    [
        (PAIRS, rewards_of(z=(1.0, 0.0)), "a reward of an unknown pair: 1 rows, the first z"),
        (PAIRS, pl.concat([REWARDS, REWARDS.tail(1)]), "two rewards of one pair: 2 rows"),
        (pl.concat([PAIRS, PAIRS.head(1)]), REWARDS, "a pair twice: 2 rows, the first a"),
        (PAIRS, rewards_of(b=(math.nan, 0.0)), "not finite: 1 rows, the first b"),
        (PAIRS, rewards_of(b=(1.0, -math.inf)), "not finite: 1 rows, the first b"),
    ],
)
def test_rewards_that_do_not_fit_are_refused(pairs, rewards, said):
    with pytest.raises(InputError) as error:
        compare_pairs(pairs, rewards)
    assert said in str(error.value)


def test_results_hold_sections_and_subsets_beside_length():
    found = results_of(
        PAIRS, REWARDS, {"both": ["s", "t"], "other": ["t", "u"]}, {"w": {"s": 3, "t": 1, "u": 1}}
    )
    assert found.schema == schema_of("reward_bench_results")
    shown = found.select("weights", "level", "name", "metric", "value", "pairs", "missing")
    assert shown.rows() == [
        ("w", "section", "both", "pair_accuracy", 62.5, 5, ""),
        ("w", "section", "other", "pair_accuracy", None, 2, "u"),
        (None, "subset", "s", "pair_accuracy", 50.0, 3, ""),
        (None, "subset", "t", "pair_accuracy", 100.0, 2, ""),
        ("w", "section", "both", "longer_wins", 50.0, 5, ""),
        ("w", "section", "other", "longer_wins", None, 2, "u"),
        (None, "subset", "s", "longer_wins", 50.0, 3, ""),
        (None, "subset", "t", "longer_wins", 50.0, 2, ""),
    ]
    assert found["bench"].unique().to_list() == ["x"]


def test_a_subset_of_which_nothing_was_scored_is_missing():
    found = results_of(PAIRS, REWARDS.head(3), {"both": ["s", "t"]}, {"pairs": {}})
    section, s, t = found.head(3).to_dicts()
    assert (section["value"], section["missing"], section["unscored_pairs"]) == (None, "t", 2)
    assert (s["value"], s["missing"]) == (50.0, "")
    assert (t["value"], t["missing"], t["pairs"], t["unscored_pairs"]) == (None, "t", 0, 2)


def test_empty_weights_count_every_pair_alike():
    found = results_of(PAIRS, REWARDS, {"both": ["s", "t"]}, {"pairs": {}})
    assert found["value"][0] == 70.0  # 3.5 of 5


def test_standard_errors():
    found = results_of(PAIRS, REWARDS, {"both": ["s", "t"]}, {"w": {"s": 3, "t": 1}})
    s = 100 * statistics.stdev([1.0, 0.0, 0.5]) / math.sqrt(3)
    section, subset, exact = found["standard_error"].to_list()[:3]
    assert (subset, exact) == (pytest.approx(s), 0.0)
    # the residuals of t are 0: three quarters of the squared terms of s, over five prompts
    assert section == pytest.approx(100 * 0.75 * math.sqrt(0.5 / 9 * 5 / 4))


def test_a_subset_of_one_prompt_has_no_standard_error():
    pairs = pairs_of(pair("a", "s", "x", "y", prompt="p"), pair("b", "s", "x", "y", prompt="p"))
    found = results_of(pairs, rewards_of(a=(1.0, 0.0), b=(0.0, 1.0)), {"S": ["s"]}, {"pairs": {}})
    assert found["value"].to_list() == [50.0] * 4
    assert found["standard_error"].to_list() == [None] * 4


def test_pairs_of_one_prompt_are_one_piece_of_evidence():
    once = pairs_of(pair("a", "s", "x", "y"), pair("b", "s", "x", "y"))
    again = pairs_of(pair("c", "s", "x", "y", prompt="a"), pair("d", "s", "x", "y", prompt="b"))
    doubled = pl.concat([once, again])
    rewards = rewards_of(a=(1.0, 0.0), b=(0.0, 1.0), c=(1.0, 0.0), d=(0.0, 1.0))
    errors = [
        results_of(pairs, rewards.head(pairs.height), {"S": ["s"]}, {"pairs": {}})[
            "standard_error"
        ][0]
        for pairs in (once, doubled)
    ]
    assert errors[0] == pytest.approx(errors[1])
    assert errors[0] == pytest.approx(50.0)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=20))
def test_swapping_chosen_and_rejected_mirrors_the_accuracy(rewards):
    pairs = pairs_of(*(pair(str(i), "s", "x", "yy") for i in range(len(rewards))))
    given_ = rewards_of(**{str(i): both for i, both in enumerate(rewards)})
    swapped = given_.rename(
        {"chosen_reward": "rejected_reward", "rejected_reward": "chosen_reward"}
    )
    first, second = (
        average_by_subset(compare_pairs(pairs, each), "pair_accuracy")["accuracy"][0]
        for each in (given_, swapped)
    )
    assert first + second == pytest.approx(1.0)
