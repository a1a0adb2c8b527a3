"""Display of rows in the shell: format, pager, and time, which commands with a dot set.

Not here: formats of rows (`assets.cli.output`), reading lines (`assets.cli.sql_shell.shell`).
"""

import io
import os
import pydoc
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass

import polars as pl
import typer
from rich.cells import cell_len

from assets.cli.output import is_plan, write_frame
from transforms.formats import cut

FORMS = ("table", "lines", "csv", "json")
SHOWN_ROWS, PAGED_ROWS = 100, 1000
"""Most rows of `table` and `lines` on the terminal, and in the pager."""
CELL_CHARS = 80
"""Most characters of a cell of `table`."""


@dataclass
class Display:
    """The format of rows, and whether they are paged and timed."""

    form: str = "table"
    """One of `FORMS`."""
    pager: bool = True
    """Whether long and wide output is shown by a pager, if standard output is a terminal."""
    timer: bool = False
    """Whether the time of each statement is printed."""

    def print_rows(self, rows: pl.DataFrame) -> None:
        """Print the rows of a statement, or show them with the pager if they do not fit."""
        pages = self.pager and sys.stdout.isatty() and sys.stdin.isatty()
        if pages:
            text = _capture(lambda: self._write(rows, PAGED_ROWS))
            if not fits_terminal(text, wraps=self.form == "lines"):
                with _set_less(chops=self.form != "lines"):
                    pydoc.pager(text)
                return
        self._write(rows, SHOWN_ROWS)

    @contextmanager
    def time(self) -> Iterator[None]:
        """Print the time of a statement, if the timer is on."""
        started = time.perf_counter()
        yield
        if self.timer:
            typer.echo(f"{time.perf_counter() - started:.3f} s")

    def _write(self, rows: pl.DataFrame, most: int) -> None:
        if self.form not in ("table", "lines") or is_plan(rows):
            write_frame(rows, self.form)
            return
        shown = rows.head(most)
        write_frame(_shorten(shown) if self.form == "table" else shown, self.form)
        if not rows.is_empty():  # an empty table says so itself
            note = f", the first {most} shown" if rows.height > most else ""
            typer.echo(f"({rows.height} rows{note})")


def fits_terminal(text: str, *, wraps: bool) -> bool:
    """Return whether a text can be read on one screen.

    Args:
        text: lines.
        wraps: whether a long line may continue on the next one.
    """
    size = shutil.get_terminal_size()
    widths = [cell_len(line) for line in text.splitlines()]
    height = sum(max(1, -(-width // size.columns)) for width in widths)
    return height < size.lines and (wraps or max(widths, default=0) <= size.columns)


@contextmanager
def _set_less(*, chops: bool) -> Iterator[None]:
    """Let `less` leave its text on the screen, and scroll instead of wrapping long lines.

    The variable LESS of the user goes first.
    """
    given = os.environ.get("LESS")
    os.environ["LESS"] = given or ("-RXS" if chops else "-RX")
    try:
        yield
    finally:
        if given is None:
            del os.environ["LESS"]


def _capture(write: Callable[[], None]) -> str:
    """Return what a function prints; tables are then as wide as their rows."""
    with redirect_stdout(io.StringIO()) as text:
        write()
    return text.getvalue()


def _shorten(rows: pl.DataFrame) -> pl.DataFrame:
    """Cut long text; lists and structs become text, too."""
    texts = {
        column.name: pl.Series(
            column.name,
            [None if value is None else cut(str(value), CELL_CHARS) for value in column.to_list()],
            dtype=pl.String,
        )
        for column in rows
        if column.dtype == pl.String or column.dtype.is_nested()
    }
    return rows.with_columns(**texts)
