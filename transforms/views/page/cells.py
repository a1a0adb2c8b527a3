"""Tables of the page from frames: headings with units, numbers with their errors.

A column `x_se` is the standard error of `x`. It is written after the value, rounded to two digits,
and the value to the same place. A null is an empty cell: nothing was measured. Not here: the
selection of rows.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import polars as pl

from transforms.formats import find_attached_columns, format_estimate
from transforms.views.page.blocks import Column, Row, Table

UNITS = {
    "_chars": "characters",
    "_tokens": "tokens",
    "_tokens_per_s": "tokens/s",
    "_s": "s",
    "_share": "share",
    "_fraction": "share",
    "_accuracy": "share",
    "_rate": "share",
}
"""Endings of column names and their units; the first match counts."""

UNIT_OF = {
    "kl_to_initial": "nats",
    "win_rate_gold": "share",
    "win_rate_reward": "share",
    "bytes": "bytes",
    "tokens_per_s": "tokens/s",
}
"""Units of columns by full name."""

LONG_CHARS = 60
"""Texts with more characters may be broken into lines."""

RowKind = Literal["", "selected", "paper"]
Kind = Callable[[Mapping[str, Any]], RowKind]


def make_table(
    rows: pl.DataFrame,
    caption: str,
    *,
    titles: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    decimals: Mapping[str, int] | None = None,
    kind: Kind = lambda row: "",
    hidden: Sequence[str] = (),
    interval: bool = False,
    folded: bool = False,
) -> Table:
    """Make a table from a frame.

    Args:
        rows: the frame; columns without any value are left out.
        caption: describes the rows.
        titles: headings by column; by default the name with spaces.
        units: units by column; by default from the end of the name.
        decimals: decimal places by column; by default from the error, or the size of each value.
        kind: returns the kind of a row.
        hidden: columns that only `kind` reads.
        interval: show `x_low` and `x_high` as columns; otherwise they are left out.
        folded: hidden until the caption is clicked.
    """
    attached = find_attached_columns(rows.columns)
    left_out = {*hidden, *(name for name in attached if name.endswith("_se") or not interval)}
    shown = [
        name
        for name in rows.columns
        if name not in left_out and rows[name].null_count() < max(1, rows.height)
    ]
    columns = [
        Column(
            (titles or {}).get(name, name.replace("_", " ")),
            (units or {}).get(name, find_unit(name)),
            _find_column_kind(rows[name]),
        )
        for name in shown
    ]
    return Table(
        caption,
        columns,
        [
            Row(
                [
                    format_cell(row[name], row.get(f"{name}_se"), (decimals or {}).get(name))
                    for name in shown
                ],
                kind(row),
            )
            for row in rows.iter_rows(named=True)
        ],
        folded,
    )


def _find_column_kind(column: pl.Series) -> Literal["text", "long", "number"]:
    if column.dtype.is_numeric():
        return "number"
    if column.dtype == pl.String and (column.str.len_chars() > LONG_CHARS).any():
        return "long"
    return "text"


def find_unit(name: str) -> str:
    """Return a column's unit by its name; empty if unknown."""
    ends = (unit for end, unit in UNITS.items() if name.endswith(end))
    return UNIT_OF.get(name) or next(ends, "")


def format_cell(value: Any, error: float | None = None, decimals: int | None = None) -> str:
    """Format a value, with its error if it has one."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if not math.isfinite(value):
        return str(value)
    if error is None or not math.isfinite(error) or error <= 0:
        return format_number(value) if decimals is None else _fixed(value, decimals)
    places = max(0, 1 - math.floor(math.log10(error))) if decimals is None else decimals
    return format_estimate(_fixed(value, places), _fixed(error, places))


def format_number(value: float) -> str:
    """Format a number with four digits, three if below 1; a tiny one with its power of ten."""
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -4:
        return f"{value:.2e}".replace("-", "−")
    return _fixed(value, 2 - magnitude if magnitude < 0 else max(0, 3 - magnitude))


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    negative = text.startswith("-") and text.strip("-0.,") != ""
    return ("−" if negative else "") + text.removeprefix("-")


def format_bytes(value: int) -> str:
    """Format a number of bytes: 812 B, 4.1 MB."""
    amount, unit = float(value), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} B" if unit == "B" else f"{amount:.3g} {unit}"
