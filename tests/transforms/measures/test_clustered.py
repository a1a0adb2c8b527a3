import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.measures.clustered import error_of_mean, error_of_ratio, higher
from transforms.views.query import connect_frames, query

VALUES = st.one_of(st.none(), st.integers(-64, 64).map(lambda n: n / 8))
PROMPTS = st.lists(st.tuples(VALUES, st.integers(1, 6)), min_size=1, max_size=12)


def frame(rows):
    return pl.DataFrame(rows, {"above": pl.Float64, "below": pl.Int64}, orient="row")


def test_the_error_of_a_mean_by_hand():
    rows = frame([(1.0, 1), (3.0, 1), (None, 1)])
    assert rows.select(error_of_mean(pl.col("above"))).item() == pytest.approx(1.0)


def test_the_error_of_a_ratio_by_hand():
    # rows of prompts: p 1 and 0, q 1, r 1; the mean 0.75, residual sums -0.5, 0.25, 0.25
    rows = frame([(1.0, 2), (1.0, 1), (1.0, 1)])
    found = rows.select(error_of_ratio(pl.col("above"), pl.col("below"))).item()
    assert found == pytest.approx(((0.25 + 2 / 16) * 3 / 2) ** 0.5 / 4)


def test_one_prompt_has_no_error():
    rows = frame([(1.0, 2)])
    errors = error_of_mean(pl.col("above")), error_of_ratio(pl.col("above"), pl.col("below"))
    assert rows.select(mean=errors[0], ratio=errors[1]).row(0) == (None, None)


@given(PROMPTS)
@settings(max_examples=25)
def test_a_ratio_to_ones_is_a_mean_and_sql_has_the_same_formula(prompts):
    rows = frame(prompts)
    known = rows.drop_nulls("above")
    above, below = pl.col("above"), pl.col("below")
    mean = rows.select(error_of_mean(above)).item()
    ratio = known.select(error_of_ratio(above, below)).item() if known.height else None
    ones = known.with_columns(below=pl.lit(1))
    if known.height:
        as_ratio = ones.select(error_of_ratio(above, below)).item()
        assert as_ratio == pytest.approx(mean, abs=1e-12)
    with connect_frames({"rows": rows}) as connection:
        [by_sql] = query(
            connection,
            "select clustered_error(above), clustered_error(above, below) from rows",
        ).rows()
    assert by_sql == (pytest.approx(mean, abs=1e-12), pytest.approx(ratio, abs=1e-12))


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=12))
@settings(max_examples=15)
def test_a_tie_is_one_half_in_polars_and_in_sql(pairs):
    rows = pl.DataFrame(pairs, {"first": pl.Float64, "second": pl.Float64}, orient="row")
    found = rows.select(higher(pl.col("first"), pl.col("second"))).to_series().to_list()
    expected = [
        None if None in pair else float(pair[0] > pair[1]) + (pair[0] == pair[1]) / 2
        for pair in pairs
    ]
    assert found == expected
    with connect_frames({"rows": rows.with_row_index()}) as connection:
        by_sql = query(connection, 'select higher("first", "second") from rows order by index')
    assert by_sql.to_series().to_list() == expected
