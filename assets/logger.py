"""The logger of a run: messages of the assets on the terminal, one line each.

Dagster's own events are written to the run's history only, which the Dagster UI shows.
"""

import logging
import sys

import dagster as dg
from rich.console import Console
from rich.logging import RichHandler

CONSOLE = Console(stderr=True, width=None if sys.stderr.isatty() else 160)


class OwnMessages(logging.Filter):
    """A filter that keeps messages of assets and drops Dagster's events."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is printed."""
        meta = getattr(record, "dagster_meta", None) or {}
        is_event = meta.get("dagster_event") is not None
        if not is_event:
            record.msg = meta.get("orig_message", record.msg)
        return not is_event


HANDLER = RichHandler(
    console=CONSOLE,
    show_path=False,
    show_level=False,
    omit_repeated_times=False,
    log_time_format="%Y-%m-%d %H:%M:%S",
)
"""The handler of a run's messages."""
HANDLER.addFilter(OwnMessages())


def _open_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """Return the logger of one run."""
    logger = logging.getLogger("prefloop.console")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if HANDLER not in logger.handlers:
        logger.addHandler(HANDLER)
    return logger


console_logger = dg.LoggerDefinition(_open_logger, description="Messages of assets, one line each.")
