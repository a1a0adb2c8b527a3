"""Names of chunks: a hash of their rows, so that a chunk is in a table once, whoever writes it.

A commit may succeed although its writer gets an error (a store that times out after the write), and
two machines may make the same chunk. Every chunk of a commit is a Delta application transaction
with its name: of two writers, one commits it, and the other one finds it, also if they share it
with other chunks in a commit. A chunk that was removed since (a slice that was replaced, a damaged
file) is written again.
Source: https://github.com/delta-io/delta/blob/master/PROTOCOL.md#transaction-identifiers.
"""

import hashlib
from collections.abc import Mapping

import polars as pl
from deltalake import DeltaTable, Transaction

from transforms.lake.schemas.table import WRITTEN

COMPARED = (pl.String, pl.Int32, pl.Int64, pl.Boolean)
"""Types of the columns by which a row is found again."""


def name_chunk(frame: pl.DataFrame) -> str:
    """Return a hash of the rows in their order, without the time and version of their commit."""
    rows = frame.drop(WRITTEN, strict=False)
    return hashlib.sha256(rows.write_ndjson().encode()).hexdigest()[:32]


def find_new_chunks(
    delta: DeltaTable | None, chunks: Mapping[str, pl.DataFrame]
) -> dict[str, Transaction]:
    """Find the chunks that a table does not have.

    Args:
        delta: the table; None: it does not exist.
        chunks: chunks by name.

    Returns:
        The transactions to commit with the new chunks, by name.
    """
    new = {}
    for name, frame in chunks.items():
        times = delta.transaction_version(name) if delta else None
        if delta is None or times is None or not _has_first_row(delta, frame):
            new[name] = Transaction(name, (times or 0) + 1)
    return new


def _has_first_row(delta: DeltaTable, frame: pl.DataFrame) -> bool:
    """Check whether a table has the first row of a committed chunk; one without rows is there.

    Stages write only keys that the table does not have. So either all rows of a chunk are there
    when it is written a second time, or none is.
    """
    rows = pl.scan_delta(delta)
    for row in frame.drop(WRITTEN, strict=False).head(1).iter_rows(named=True):
        for name, value in row.items():
            if frame.schema[name] in COMPARED:
                column = pl.col(name)
                rows = rows.filter(column.is_null() if value is None else column == value)
    return frame.is_empty() or rows.head(1).select(pl.len()).collect().item() > 0
