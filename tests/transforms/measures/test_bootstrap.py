import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import InputError
from transforms.measures.bootstrap import (
    Resampling,
    estimate_intervals,
    estimate_mean,
    estimate_means,
    estimate_ratio,
)

VALUES = st.lists(st.integers(-64, 64).map(lambda n: n / 8), min_size=2, max_size=12)
QUICK = Resampling(draws=200)


def rows_of(values, responses=1):
    prompts = [f"p{i:03}" for i in range(len(values) // responses) for _ in range(responses)]
    return pl.DataFrame({"prompt_id": prompts, "value": values}, schema_overrides={"value": float})


def drawn(seed, prompts, responses=4):
    """Responses whose prompts differ, too: means within them vary more than responses do."""
    rng = np.random.default_rng(seed)
    return rows_of(
        np.repeat(rng.normal(size=prompts), responses) + rng.normal(size=prompts * responses),
        responses,
    )


@given(values=VALUES, shift=st.integers(-9, 9), scale=st.integers(1, 4))
@settings(deadline=None, max_examples=30)
def test_an_interval_moves_and_stretches_with_the_values(values, shift, scale):
    plain = estimate_mean(rows_of(values), how=QUICK)
    moved = estimate_mean(rows_of([scale * value + shift for value in values]), how=QUICK)
    assert moved.standard_error == pytest.approx(scale * plain.standard_error)
    for side in ("value", "low", "high"):
        assert getattr(moved, side) == pytest.approx(scale * getattr(plain, side) + shift)


def test_the_same_seed_gives_the_same_interval_in_any_order_of_rows():
    rows = drawn(1, 40)
    assert estimate_mean(rows) == estimate_mean(rows.sample(fraction=1, shuffle=True, seed=3))
    assert estimate_mean(rows) != estimate_mean(rows, how=Resampling(seed=1))


def test_error_is_the_analytic_one_clustered_by_prompt():
    rows = drawn(2, 300)
    by_prompt = rows.group_by("prompt_id").agg(pl.col("value").mean())["value"]
    found = estimate_mean(rows)
    assert found.value == pytest.approx(rows["value"].mean())
    assert found.standard_error == pytest.approx(by_prompt.std() / 300**0.5, rel=0.05)
    unclustered = rows["value"].std() / rows.height**0.5
    assert found.standard_error > 1.3 * unclustered
    # the interval of a mean of many prompts is nearly the normal one
    assert found.high - found.low == pytest.approx(2 * 1.96 * found.standard_error, rel=0.05)


def test_one_prompt_has_no_error_and_none_no_value():
    assert estimate_mean(rows_of([1.0, 3.0], responses=2)) == (2.0, None, None, None, 1)
    with pytest.raises(InputError, match="at least one prompt"):
        estimate_mean(rows_of([]))


def test_equal_values_have_an_interval_without_width():
    assert estimate_mean(rows_of([1.0] * 5)) == (1.0, 0.0, 1.0, 1.0, 5)


def test_a_ratio_is_of_means_and_varies_with_both():
    rows = drawn(5, 200).with_columns(below=pl.col("value") + 10)
    found = estimate_ratio(rows.with_columns(above=2 * pl.col("below")), "above", "below")
    assert found.value == pytest.approx(2)
    assert found.standard_error == pytest.approx(0, abs=1e-12)
    apart = rows.with_columns(above=10 + pl.col("value").shuffle(seed=1))
    mu = rows["below"].mean()
    by_prompt = apart.group_by("prompt_id").agg(pl.col("above", "below").mean())
    above, below = by_prompt["above"], by_prompt["below"]
    linearised = (above - above.mean() / mu * below).std() / (200**0.5 * mu)  # the delta method
    found = estimate_ratio(apart, "above", "below")
    assert found.standard_error == pytest.approx(linearised, rel=0.08)


def test_means_of_many_groups_are_each_groups_own():
    rows = pl.concat(
        [
            drawn(7, 20).with_columns(model=pl.lit("b")),
            drawn(8, 20).with_columns(model=pl.lit("a")),
            drawn(9, 15).with_columns(model=pl.lit("c")),
            rows_of([1.0]).with_columns(model=pl.lit("one")),
            rows_of([None]).with_columns(model=pl.lit("none")),
        ]
    )
    found = estimate_means(rows, ["model"], how=QUICK)
    assert found["model"].to_list() == ["b", "a", "c", "one"]
    for model, *estimate in found.rows():
        assert estimate == pytest.approx(list(estimate_mean(rows.filter(model=model), how=QUICK)))


def test_means_of_no_rows_are_no_rows():
    empty = pl.DataFrame(schema={"model": pl.String, "prompt_id": pl.String, "value": pl.Float64})
    assert estimate_means(empty, ["model"]).columns == [
        "model", "value", "standard_error", "low", "high", "prompts"
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("skewed", [False, True])
def test_intervals_hold_the_true_mean_as_often_as_they_say(skewed):
    rng = np.random.default_rng(10)
    trials, held = 1_000, 0
    for _ in range(trials):
        prompts = rng.exponential(size=60) - 1 if skewed else rng.normal(size=60)
        values = np.repeat(prompts, 3) + rng.normal(size=180) / 2
        found = estimate_mean(rows_of(values, responses=3), how=Resampling(draws=1_000))
        held += found.low <= 0 <= found.high
    assert 0.92 <= held / trials <= 0.97


def test_intervals_for_sql_are_those_of_the_same_means():
    values = [[1.0, 4.0, 2.5, 7.0], None, [3.0], [2.0, None, 0.0, 1.0, 5.0], []]
    found = pl.from_arrow(estimate_intervals(pl.Series(values).to_arrow())).to_list()
    nothing = {"low": None, "high": None}
    known = [[value for value in values[i] if value is not None] for i in (0, 3)]
    first, second = (estimate_mean(rows_of(one)) for one in known)
    assert found == [
        {"low": first.low, "high": first.high},
        nothing,
        nothing,
        {"low": second.low, "high": second.high},
        nothing,
    ]
