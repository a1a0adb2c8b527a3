"""Names of chunks: a hash of their rows, so that a chunk is in a table once, whoever writes it.

A commit may succeed although its writer gets an error (a store that times out after the write), and
two machines may make the same chunk. The name is a Delta application transaction: of two writers,
one commits, and the other one finds the chunk. A chunk that was removed since (a slice that was
replaced, a damaged file) is written again.
Source: https://github.com/delta-io/delta/blob/master/PROTOCOL.md#transaction-identifiers.
"""

import hashlib

import polars as pl
from deltalake import DeltaTable

from transforms.lake.schemas.table import WRITTEN

COMPARED = (pl.String, pl.Int32, pl.Int64, pl.Boolean)
"""Types of the columns by which a row is found again."""


def name_chunk(frame: pl.DataFrame) -> str:
    """Return a hash of the rows in their order, without the time and version of their commit."""
    rows = frame.drop(WRITTEN, strict=False)
    return hashlib.sha256(rows.write_ndjson().encode()).hexdigest()[:32]


def has_first_row(delta: DeltaTable, frame: pl.DataFrame) -> bool:
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
