"""Progress of a run on the terminal, and a file for the output of libraries."""

import logging
import os
import re
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from assets.logger import CONSOLE, HANDLER
from transforms.formats import format_seconds

STARTS = re.compile(r"(?P<asset>\S+) \[[\w.-]+\] (starts|was already made)")
"""The first message of an asset."""

LAST_LINES = 20
"""Lines of the file that are printed after an error."""


class Progress(logging.Filter):
    """Adds to the first message of an asset its place, the elapsed and the expected time."""

    def __init__(self, assets: Collection[str], expected: Mapping[str, float]) -> None:
        """Start the clock.

        Args:
            assets: names of the assets that the run materializes.
            expected: seconds of each; no time is expected while one of those left has none.
        """
        super().__init__()
        self.left = set(assets)
        self.total, self.expected = len(self.left), expected
        self.started = time.monotonic()

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the first message of an asset; keep every record."""
        found = STARTS.match(str(record.msg))
        if found and found["asset"] in self.left:
            times = self.describe_times()
            self.left.remove(found["asset"])
            place = f"{self.total - len(self.left)}/{self.total}"
            record.msg = f"[{place}] {record.msg}; {times}"
        return True

    def describe_times(self) -> str:
        """Return the elapsed time, and the expected one of the assets that are left."""
        elapsed = f"{format_seconds(time.monotonic() - self.started)} elapsed"
        if not self.left <= self.expected.keys():
            return elapsed
        left = sum(self.expected[name] for name in self.left)
        return f"{elapsed}, about {format_seconds(left)} left"


@contextmanager
def show_progress(assets: Collection[str], expected: Mapping[str, float]) -> Iterator[None]:
    """Print the progress of a run inside."""
    progress = Progress(assets, expected)
    HANDLER.addFilter(progress)  # after the filter that finds the messages of assets
    try:
        yield
    finally:
        HANDLER.removeFilter(progress)


@contextmanager
def divert_output(file: Path) -> Iterator[None]:
    """Write the output of libraries and processes inside to a file; that of `CONSOLE` is printed.

    Streams that are not the process's own, such as those of a test, are left as they are.
    """
    if (sys.stdout, sys.stderr) != (sys.__stdout__, sys.__stderr__):
        yield
        return
    sys.stdout.flush()
    output, errors = os.dup(1), os.dup(2)
    with file.open("a", encoding="utf-8") as log, os.fdopen(errors, "w") as screen:
        CONSOLE.file = screen
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(output, 1)
            os.dup2(errors, 2)
            os.close(output)
            CONSOLE.file = sys.stderr


def print_last_lines(file: Path) -> None:
    """Print the last lines of the file of libraries, after an error."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []
    if lines:
        CONSOLE.print(f"the last lines of {file}:", highlight=False)
        for line in lines[-LAST_LINES:]:
            CONSOLE.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
