from datetime import UTC, datetime

import polars as pl
import pytest

from transforms.formats import format_seconds
from transforms.views.page.cells import (
    find_unit,
    format_bytes,
    format_cell,
    format_number,
    make_table,
)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (None, None, ""),
        (None, 0.1, ""),
        (True, None, "yes"),
        (False, None, ""),
        (12_345, None, "12,345"),
        (-3, None, "−3"),
        (0.4441, 0.0152, "0.444 ± 0.015"),
        (29.047, 0.31, "29.05 ± 0.31"),
        (1234.5, 120.0, "1,234 ± 120"),
        (-0.0001, 0.02, "0.000 ± 0.020"),
        (0.5, 0.0, "0.500"),
        (0.5, float("nan"), "0.500"),
        (float("inf"), None, "inf"),
        ("text", None, "text"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), None, "2026-01-02 03:04"),
    ],
)
def test_cells(value, error, text):
    assert format_cell(value, error) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0, "0"), (0.8154, "0.815"), (0.01234, "0.0123"), (1.70844, "1.708"),
     (29.047, "29.05"), (12_345.6, "12,346"), (-0.642, "−0.642"), (-1e-9, "−1.00e−09")],
)  # fmt: skip
def test_numbers_keep_their_leading_digits(value, text):
    assert format_number(value) == text


def test_durations_and_sizes():
    assert [format_seconds(value) for value in (2.5, 41.2, 351, 12_000)] == [
        "2.5 s", "41 s", "5 min 51 s", "3 h 20 min",
    ]  # fmt: skip
    assert [format_bytes(value) for value in (812, 4_100_000, 2_000)] == ["812 B", "4.1 MB", "2 kB"]


def test_a_tables_columns_have_titles_units_and_errors():
    rows = pl.DataFrame(
        {
            "model": ["a", "b"],
            "reward": [1.0, None],
            "reward_se": [0.1, None],
            "reward_low": [0.8, None],
            "reward_high": [1.2, None],
            "response_tokens": [3.0, 4.0],
            "mbpp": [10.0, 7.25],
            "never": pl.Series([None, None], dtype=pl.Float64),
        }
    )
    made = make_table(
        rows,
        "what it is",
        titles={"response_tokens": "length"},
        units={"mbpp": "%"},
        decimals={"mbpp": 1},
        kind=lambda row: "selected" if row["model"] == "b" else "",
    )
    assert [(column.title, column.unit, column.kind) for column in made.columns] == [
        ("model", "", "text"), ("reward", "", "number"), ("length", "tokens", "number"),
        ("mbpp", "%", "number"),
    ]  # fmt: skip
    assert [list(row.cells) for row in made.rows] == [
        ["a", "1.00 ± 0.10", "3.000", "10.0"],
        ["b", "", "4.000", "7.2"],
    ]
    assert [row.kind for row in made.rows] == ["", "selected"]


def test_units_follow_names():
    assert [find_unit(name) for name in ("elapsed_s", "win_rate_gold", "truncated_share", "x")] == [
        "s", "share", "share", "",
    ]  # fmt: skip
