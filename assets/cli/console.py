"""Printing of tables on a terminal, and a silent end of the interpreter.

Not here: the messages of a run (`assets.logger`).
"""

import atexit
import os
import sys
from collections.abc import Collection, Mapping
from typing import Any, Literal

import polars as pl
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from transforms.formats import ATTACHED, find_attached_columns, format_estimate

PIPED_WIDTH = 400
"""Characters of a line of piped output."""
GAP = 3
"""Characters between two columns of a printed table."""


def print_table(rows: pl.DataFrame, *, right: Collection[str] = ()) -> None:
    """Print a frame as a table on standard output; `right` are text columns that are numbers.

    Numbers have three decimals. Columns `x_se`, `x_within_se`, `x_low` and `x_high` are printed
    with their `x` as `x ± x_se (x_within_se) [x_low, x_high]`. A frame wider than the terminal is
    printed in parts, each with the first column.
    """
    attached = find_attached_columns(rows.columns)
    cells = {
        name: [_format_cell(name, row) for row in rows.iter_rows(named=True)]
        for name in rows.columns
        if name not in attached
    }
    # Piped output is for programs and files, so it is not divided into parts.
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    # a header may wrap between its words, a cell may not
    widths = {name: max(map(len, [*texts, *name.split("_")])) for name, texts in cells.items()}
    for part in _divide(widths, console.width):
        table = Table(show_edge=False, pad_edge=False, box=box.SIMPLE_HEAD)
        for name in part:
            numeric = rows.schema[name].is_numeric() or name in right
            justify: Literal["right", "left"] = "right" if numeric else "left"
            table.add_column(
                escape(name.replace("_", " ")), justify=justify, min_width=widths[name]
            )
        for row in zip(*(cells[name] for name in part), strict=True):
            table.add_row(*map(escape, row))
        console.print(table)


def _divide(widths: dict[str, int], width: int) -> list[list[str]]:
    """Divide columns of given widths into parts that fit; every part begins with the first one."""
    first, *others = widths
    parts = [[first]]
    for name in others:
        used = sum(widths[column] + GAP for column in [*parts[-1], name])
        if len(parts[-1]) > 1 and used > width:
            parts.append([first])
        parts[-1].append(name)
    return parts


def _format_cell(name: str, row: Mapping[str, Any]) -> str:
    """Return a value of a row as text, with its errors and its interval if the row has them."""
    attached = (_format_value(row.get(name + end)) for end in ATTACHED)
    return format_estimate(_format_value(row[name]), *attached)


def _format_value(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def quiet_teardown() -> None:
    """Suppress the list of types that DuckDB's binding prints when the interpreter ends.

    nanobind checks for leaks after Python has removed its modules, and reports types of a module
    that another library still refers to. A function that is registered first runs last, after all
    output of this program.
    """

    def close_stderr() -> None:
        sys.stderr.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

    atexit.register(close_stderr)
