"""The logger of a run: the assets' own messages on the terminal, one line each.

Dagster's own events stay in the run's history, where the page shows them.
"""

import logging
import sys

import dagster as dg
from rich.console import Console
from rich.logging import RichHandler

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
