import polars as pl
import pytest

from transforms.pairs.ensembles import measure_spread

REWARDS = pl.DataFrame(
    {
        "prompt_id": ["p", "p", "q", "q", "q"],
        "a": [1.0, 3.0, 0.0, 0.0, 6.0],
        "b": [2.0, 2.0, 1.0, 2.0, 3.0],
        "c": [0.0, 4.0, 5.0, 5.0, 5.0],
    }
)


def spread(rewards: pl.DataFrame, members=("a", "b", "c")) -> list[float]:
    return rewards.select(measure_spread(members)).to_series().to_list()


def test_the_spread_is_the_deviation_of_centred_rewards() -> None:
    # p, centred: a -1 1, b 0 0, c -2 2: the deviation of -1, 0, -2 is 1
    # q, centred: a -2 -2 4, b -1 0 1, c 0 0 0: of -2 -1 0 it is 1, of -2 0 0 and of 4 1 0 the roots
    expected = [1.0, 1.0, 1.0, (4 / 3) ** 0.5, (13 / 3) ** 0.5]
    assert spread(REWARDS) == pytest.approx(expected)


def test_a_constant_of_a_prompt_and_member_changes_no_spread() -> None:
    shift = pl.when(prompt_id="p").then(100.0).otherwise(-7.0)
    moved = REWARDS.with_columns(a=pl.col("a") + shift, c=pl.col("c") - 2 * shift)
    assert spread(moved) == pytest.approx(spread(REWARDS))


def test_members_that_agree_have_no_spread_and_their_order_changes_none() -> None:
    same = REWARDS.with_columns(b=pl.col("a") + 1, c=pl.col("a"))
    assert spread(same) == pytest.approx([0.0] * 5)
    assert spread(REWARDS, ("c", "b", "a")) == spread(REWARDS)


def test_both_sides_of_a_pair_have_the_same_spread() -> None:
    first, second = spread(REWARDS.head(2))
    assert first == pytest.approx(second)
