"""Printing of tables on a terminal, and a silent end of the interpreter.

Not here: the messages of a run (`assets.logger`).
"""

import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import takewhile
from textwrap import fill
from typing import Any, Literal

import polars as pl
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from transforms.formats import ATTACHED, find_attached_columns, format_estimate

GAP = 3
"""Characters between two columns of a printed table."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that would move the cursor; they are printed as escapes, such as `\\n`."""

PIPE_WIDTH = 100
"""Characters of a line of wrapped text in a file or a pipe."""

MESSAGE_INDENT = 12
"""Spaces before a further line of a part of an error message, below its first word."""

Cells = Mapping[str, list[str]]
"""Texts of every row by column."""


def print_table(
    rows: pl.DataFrame, *, right: Collection[str] = (), width: int | None = None
) -> None:
    """Print a frame as a table on standard output. No value is cut.

    Columns `x_se`, `x_within_se`, `x_low` and `x_high` are printed with their `x` as
    `x ± x_se (x_within_se) [x_low, x_high]`. A frame wider than the terminal is printed in parts,
    each with the key columns: those before the first measured number, if they leave room without
    the counts at their end, else those before the first number. If these leave no room, each row
    is a block with one line per column.

    Args:
        rows: the frame.
        right: text columns that are numbers.
        width: characters of a line; by default those of the terminal. Output to a file or a program
            is never divided.
    """
    cells = _format_cells(rows)
    numbers = [name for name in cells if rows.schema[name].is_numeric() or name in right]
    floats = [name for name in cells if rows.schema[name].is_float() or name in right]
    widths = {name: max(map(cell_len, [name, *texts])) for name, texts in cells.items()}
    line = find_width() if width is None else width
    line = line or _add_widths(widths.values())
    keys = _list_keys(cells, floats)
    choices = keys, _drop_last(keys, numbers), _list_keys(cells, numbers)
    parts = divide_columns(widths, line, *choices)
    console = Console(width=line)
    if not parts:
        _print_blocks(console, cells)
    for part in parts:
        console.print(_build_table({name: cells[name] for name in part}, numbers))
    if rows.is_empty():
        print("(0 rows)")


def print_lines(rows: pl.DataFrame) -> None:
    """Print each row as a block with one line per column. No value is cut."""
    if rows.is_empty():
        print("(0 rows)")
        return
    _print_blocks(Console(), _format_cells(rows))


def print_text(text: str, indent: int = 0, *, style: str = "", cut: bool = False) -> None:
    """Print a text, wrapped to the terminal; control characters but line breaks are escaped.

    Args:
        text: lines.
        indent: spaces before each line.
        style: style of Rich.
        cut: cut lines that are too long, with an ellipsis, instead of wrapping them.
    """
    shown = Text(
        "\n".join(map(escape_controls, text.split("\n"))),
        style=style,
        no_wrap=cut,
        overflow="ellipsis" if cut else "fold",
    )
    Console(width=find_width() or PIPE_WIDTH).print(Padding(shown, (0, 0, 0, indent), expand=False))


def wrap_message(message: str, width: int) -> str:
    """Wrap an error message at spaces; the remedy stays one line, because it may be a command.

    Args:
        message: text of an `InputError`.
        width: characters of a line.
    """
    return "\n".join(
        line
        if line.startswith("  to do:")
        else fill(
            line,
            width,
            subsequent_indent=" " * MESSAGE_INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in message.split("\n")
    )


def escape_controls(text: str) -> str:
    """Return a text whose control characters are escaped as in a string of Python."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def find_width() -> int | None:
    """Return the characters of a line of the terminal; None for output that is no terminal."""
    return Console().width if sys.stdout.isatty() else None


def divide_columns(
    widths: Mapping[str, int], width: int, *keys: Collection[str]
) -> list[list[str]]:
    """Divide columns into parts that fit a line; every part begins with the key columns.

    Args:
        widths: characters of every column.
        width: characters of a line.
        keys: choices of key columns, the best first. The first that leaves room for the widest
            other column is used.

    Returns:
        Columns of every part; no part if no choice leaves room.
    """
    if _add_widths(widths.values()) <= width:
        return [[*widths]]
    for choice in keys:
        others = [name for name in widths if name not in choice]
        used = _add_widths(widths[name] for name in choice)
        if used + GAP + max((widths[name] for name in others), default=0) > width:
            continue
        parts = [[*choice]]
        for name in others:
            if _add_widths(widths[column] for column in [*parts[-1], name]) > width:
                parts.append([*choice])
            parts[-1].append(name)
        return parts
    return []


def _add_widths(widths: Iterable[int]) -> int:
    """Return the characters of a line of columns, with the gaps between them."""
    found = [*widths]
    return sum(found) + GAP * (len(found) - 1)


def _list_keys(cells: Cells, numbers: Collection[str]) -> list[str]:
    """Return the columns before the first of some numbers; the first column if that is all."""
    keys = [*takewhile(lambda name: name not in numbers, cells)]
    return keys if 0 < len(keys) < len(cells) else [*cells][:1]


def _drop_last(keys: Sequence[str], numbers: Collection[str]) -> list[str]:
    """Return some columns without the numbers at their end; the first column if all are numbers."""
    texts = [place for place, name in enumerate(keys) if name not in numbers]
    return [*keys[: max(texts, default=0) + 1]]


def _build_table(cells: Cells, numbers: Collection[str]) -> Table:
    table = Table(show_edge=False, pad_edge=False, box=box.SIMPLE_HEAD)
    for name in cells:
        justify: Literal["right", "left"] = "right" if name in numbers else "left"
        table.add_column(escape(name), justify=justify, no_wrap=True)
    for row in zip(*cells.values(), strict=True):
        table.add_row(*map(escape, row))
    return table


def _print_blocks(console: Console, cells: Cells) -> None:
    """Print each row as lines of a column and its value; the terminal wraps long ones."""
    longest = max(map(cell_len, cells))
    for row in zip(*cells.values(), strict=True):
        for name, text in zip(cells, row, strict=True):
            line = f"{name.ljust(longest)}  {text}".rstrip()
            console.print(line, soft_wrap=True, markup=False, highlight=False)
        console.print()


def _format_cells(rows: pl.DataFrame) -> Cells:
    """Return the texts of a frame; those of attached columns are part of their column."""
    attached = find_attached_columns(rows.columns)
    return {
        name: [_format_cell(name, row) for row in rows.iter_rows(named=True)]
        for name in rows.columns
        if name not in attached
    }


def _format_cell(name: str, row: Mapping[str, Any]) -> str:
    """Return a value of a row as text, with its errors and its interval if the row has them."""
    attached = [row.get(name + end) for end in ATTACHED]
    value = row[name]
    if not any(one is not None for one in attached):
        return _format_value(value)
    return format_estimate(_format_number(value), *map(_format_number, attached))


def _format_number(value: float | None) -> str:
    """Return a number with three decimals; a smaller one with three digits."""
    if value is None:
        return ""
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.001 else f"{value:.3g}"


def _format_value(value: object) -> str:
    """Return a value as one line; a number with at least three digits."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}" if value == 0 or abs(value) >= 0.1 else f"{value:.3g}"
    return escape_controls(str(value))
