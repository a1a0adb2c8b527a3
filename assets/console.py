"""What a run prints on a terminal: the assets' own messages, one line each.

Dagster's own events stay in the run's history, where the page shows them.
"""

import logging
import sys

import dagster as dg
import polars as pl
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
    """Print a frame for reading on standard output: three decimals, numbers to the right."""
    table = Table(show_edge=False, pad_edge=False)
    for name, dtype in rows.schema.items():
        table.add_column(name, justify="right" if dtype.is_numeric() else "left", overflow="fold")
    for row in rows.iter_rows():
        table.add_row(*(_cell(value) for value in row))
    # Piped output is for programs and files: no wrapping there.
    Console(width=None if sys.stdout.isatty() else 240).print(table)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
