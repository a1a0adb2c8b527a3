"""What a run prints on a terminal: the assets' own messages, one line each.

Dagster's own events stay in the run's history, where the page shows them.
"""

import atexit
import logging
import os
import sys

import dagster as dg
import polars as pl
from rich import box
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

CONSOLE = Console(stderr=True, width=None if sys.stderr.isatty() else 160)


class OwnMessages(logging.Filter):
    """Keep records of assets, and failures; drop Dagster's lifecycle events."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is printed."""
        meta = getattr(record, "dagster_meta", None) or {}
        is_event = meta.get("dagster_event") is not None
        if not is_event:
            record.msg = meta.get("orig_message", record.msg)
        return not is_event


@dg.logger(description="The assets' own messages, one line each.")
def console_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """Make the logger of one run."""
    logger = logging.getLogger("prefloop.console")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if not logger.handlers:
        handler = RichHandler(
            console=CONSOLE, show_path=False, show_level=False, omit_repeated_times=False
        )
        handler.addFilter(OwnMessages())
        logger.addHandler(handler)
    return logger


def print_table(rows: pl.DataFrame) -> None:
    """Print a frame for reading on standard output.

    Numbers have three decimals; a column `x_se` is printed beside its `x` as `x ± x_se`.
    """
    errors = {name for name in rows.columns if name.removesuffix("_se") in rows.columns}
    errors -= {name for name in errors if not name.endswith("_se")}
    table = Table(show_edge=False, pad_edge=False, box=box.SIMPLE_HEAD)
    columns = [name for name in rows.columns if name not in errors]
    for name in columns:
        numeric = rows.schema[name].is_numeric()
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left")
    for row in rows.iter_rows(named=True):
        table.add_row(*(_cell(row[name], row.get(f"{name}_se")) for name in columns))
    # Piped output is for programs and files: no wrapping there.
    Console(width=None if sys.stdout.isatty() else 240).print(table)


def _cell(value: object, error: float | None = None) -> str:
    if value is None:
        return ""
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return text if error is None else f"{text} ± {error:.3f}"


def quiet_teardown() -> None:
    """Keep DuckDB's binding from listing its own types when the interpreter ends.

    nanobind checks for leaks after Python's modules are gone, and reports types of a module that
    another library still holds. Registered first, this runs last: all of ours is written by then.
    """

    def close_stderr() -> None:
        sys.stderr.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

    atexit.register(close_stderr)
