"""Appending chunk by chunk, each exactly once, even when a commit is tried again.

A commit may land although its writer is told that it failed (a store that times out after the
write). Every chunk therefore carries a Delta application transaction: a second commit of it finds
the first and writes nothing. A chunk that was never committed is found by its missing keys, by
whoever starts the stage again. Not here: which keys are missing (`transforms.pairs.responses`).
Source: https://github.com/delta-io/delta/blob/master/PROTOCOL.md#transaction-identifiers.
"""

from uuid import uuid4

import polars as pl
from deltalake import Transaction

from transforms.lake.lake import Lake


class Chunks:
    """Writer of one stage's chunks to a table; call it with the frames, in order."""

    def __init__(self, lake: Lake, table: str) -> None:
        """Name the table; each writer is an application of its own to Delta."""
        self._lake, self._table = lake, table
        self._application, self._written = uuid4().hex, 0

    def __call__(self, frame: pl.DataFrame) -> None:
        """Append a chunk in one commit.

        Raises:
            InputError: columns or types differ from the table's schema.
        """
        self.commit(frame, self._written + 1)
        self._written += 1

    def commit(self, frame: pl.DataFrame, number: int) -> None:
        """Append chunk `number`, counted from 1; one that is there already is left as it is."""
        self._lake.append(self._table, frame, transaction=Transaction(self._application, number))
