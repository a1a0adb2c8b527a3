"""Chunks of one stage: written to a table in few commits, each chunk exactly once.

A commit of a table takes the longer the more commits it has, and every engine finishes chunks. So
finished chunks wait for a common commit (`transforms.settings.commits`). Not here: their names
(`transforms.lake.chunk_names`), commits in a thread (`training.engine.background_commits`).
"""

import time
from types import TracebackType
from typing import Self

import polars as pl

from transforms.lake.chunk_names import name_chunk
from transforms.lake.enforcement import enforce_slice
from transforms.lake.lake import Lake
from transforms.settings.commits import CommitSettings


class Chunks:
    """Context manager to append chunks: call it with them in order, from one thread at a time.

    Its exit commits what waits, also after an error in the body. A chunk that was never committed
    is found by its missing keys when the stage starts again (`transforms.pairs.responses`).
    """

    def __init__(self, lake: Lake, table: str, settings: CommitSettings) -> None:
        """Make a writer for a table.

        Args:
            lake: the lake.
            table: name in `transforms.lake.schemas.TABLES`, or `raw_<source>`.
            settings: when chunks are committed.
        """
        self._lake, self._table, self._settings = lake, table, settings
        self._waiting: dict[str, pl.DataFrame] = {}
        self._failed = False

    def __enter__(self) -> Self:
        """Start the time until the first commit."""
        self._committed_at = time.monotonic()
        return self

    def __call__(self, frame: pl.DataFrame) -> None:
        """Add a chunk; commit all that wait if they reach a limit. One that is there is left out.

        Raises:
            InputError: columns or types differ from the table's schema, or the disk is full.
        """
        chunk = enforce_slice(self._table, frame, {})
        self._waiting[name_chunk(chunk)] = chunk
        rows = sum(one.height for one in self._waiting.values())
        elapsed_s = time.monotonic() - self._committed_at
        if rows >= self._settings.rows or elapsed_s >= self._settings.seconds:
            self.flush()

    def flush(self) -> None:
        """Commit the chunks that wait, such as those which rows of another table depend on."""
        if not self._waiting:
            return
        try:
            self._lake.append_chunks(self._table, self._waiting)
        except BaseException:
            self._failed = True  # so that the exit does not fail in the same way again
            raise
        self._waiting = {}
        self._committed_at = time.monotonic()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Commit what waits, unless a commit has failed; an error of the body is raised first."""
        if self._failed:
            return
        try:
            self.flush()
        except Exception as failure:
            if error is None:
                raise
            error.add_note(
                f"{len(self._waiting)} finished chunks could not be committed: {failure}"
            )
