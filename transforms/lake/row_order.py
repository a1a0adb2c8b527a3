"""The order of a table's rows: they are read in the order in which they were written.

Delta keeps no order. Its writer spreads the batches of a commit over all cores, the files of a
commit come in any order, and merging files mixes their rows. Therefore every stored row has a
number, `_row_number`, and all reads of the lake sort by it:

1. Rows are ordered by the partition columns of their table, then by number.
2. A commit numbers its rows in the order of the frame, after all numbers that the table has.

So a partition that is written again keeps its place. Processes that append at the same time can
use a number twice; such rows are in the order of the log, and their readers sort by a key. Only the
lake sees the number: frames, SQL and declarations of tables are without it.

Not here: the order of results. A function whose result depends on the order of its rows sorts by
columns that have no ties, or asks polars to maintain the order (CONTRIBUTING.md).
"""

from collections.abc import Iterable

import polars as pl
from deltalake import DeltaTable

ROW_NUMBER = "_row_number"
"""Stored as the first column: Delta has statistics of the first 32."""


def find_next_number(delta: DeltaTable | None) -> int:
    """Return the first number that a table has not used; None: the table does not exist."""
    if delta is None:
        return 0
    return max(read_numbers(delta)["last"].drop_nulls().to_list(), default=-1) + 1


def number_rows(frame: pl.DataFrame, first: int) -> pl.DataFrame:
    """Add the row numbers as the first column."""
    return frame.with_row_index(ROW_NUMBER).with_columns(
        pl.col(ROW_NUMBER).cast(pl.Int64) + pl.lit(first, pl.Int64)
    )


def sort_rows(rows: pl.LazyFrame, partitions: Iterable[str]) -> pl.LazyFrame:
    """Sort stored rows by partition and number, and drop the number."""
    return rows.sort(*partitions, ROW_NUMBER, maintain_order=True).drop(ROW_NUMBER)


def read_numbers(delta: DeltaTable) -> pl.DataFrame:
    """Read the numbers of each partition from the log, sorted by partition.

    Returns:
        One row per partition: its columns, and the numbers `first` and `last`.
    """
    partitions = delta.metadata().partition_columns
    actions = pl.DataFrame(delta.get_add_actions(flatten=True))
    found = actions.select(
        *(pl.col(f"partition.{name}").alias(name) for name in partitions),
        first=f"min.{ROW_NUMBER}",
        last=f"max.{ROW_NUMBER}",
    )
    if not partitions:
        return found.select(pl.col("first").min(), pl.col("last").max())
    by_partition = found.group_by(partitions).agg(pl.col("first").min(), pl.col("last").max())
    return by_partition.sort(partitions)
