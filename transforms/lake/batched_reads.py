"""Reading a table in frames of a few megabytes, so that no table is in memory as a whole.

It sets the size of a frame, keeps the rows of a group in one frame, and checks that all rows were
read.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
from deltalake import DeltaTable

from transforms.lake.row_order import ROW_NUMBER, read_numbers, sort_rows
from transforms.lake.work_folders import open_work_folder

BATCH_BYTES = 4 << 20
"""Bytes of a table's files per frame; text takes two to four times as much in memory."""
MIN_BATCH_ROWS = 64
WINDOW_ROWS = 4_096
"""Rows that are read from the files at once, at least; less would decode a file more often."""
GROUPED_BATCH_ROWS = 16_384
"""Rows per frame if the rows of a group must be in one frame; less would make many more files. Not
bytes: two lakes with equal rows have equal frames, but the sizes of their files differ."""


def read_in_frames(
    delta: DeltaTable, scan: pl.LazyFrame, group_by: str | None, folder: Path
) -> Iterator[pl.DataFrame]:
    """Read a scan of a table frame by frame, in the order of its rows.

    Args:
        delta: the table.
        scan: all or some rows of it, with row numbers.
        group_by: rows with equal values of this column are in one frame; the order is that of the
            groups, then that of the rows.
        folder: folder for temporary files, which a large grouped table needs.

    Raises:
        InterruptedError: the frames have fewer rows than the table.
    """
    files = pl.DataFrame(delta.get_add_actions(flatten=True))
    size, rows = (max(1, int(files[name].sum())) for name in ("size_bytes", "num_records"))
    if group_by is None:
        frames = _read_windows(delta, scan, max(MIN_BATCH_ROWS, BATCH_BYTES * rows // size))
    elif rows <= GROUPED_BATCH_ROWS:
        frames = iter([sort_rows(scan, delta.metadata().partition_columns).collect()])
    else:
        frames = _read_groups(delta, scan, group_by, -(-rows // GROUPED_BATCH_ROWS), folder)
    read = 0
    for frame in frames:
        yield frame
        read += frame.height
    if (total := scan.select(pl.len()).collect().item()) != read:
        # an interrupted scan can end without an error, and the ranges come from the log
        raise InterruptedError(f"only {read} of {total} rows of {delta.table_uri} were read")


def _read_windows(delta: DeltaTable, scan: pl.LazyFrame, height: int) -> Iterator[pl.DataFrame]:
    """Read a range of row numbers after the other; statistics of the files exclude most of them."""
    step = max(height, WINDOW_ROWS)
    for numbers in read_numbers(delta).iter_rows(named=True):
        first, last = numbers.pop("first"), numbers.pop("last")
        if first is None:  # the table has no rows
            continue
        partition = scan.filter(
            *(
                pl.col(name).is_null() if value is None else pl.col(name) == value
                for name, value in numbers.items()
            )
        )
        for start in range(first, last + 1, step):
            window = pl.col(ROW_NUMBER).is_between(start, start + step - 1)
            rows = sort_rows(partition.filter(window), ()).collect()
            yield from rows.iter_slices(height)


def _read_groups(
    delta: DeltaTable, scan: pl.LazyFrame, group_by: str, buckets: int, folder: Path
) -> Iterator[pl.DataFrame]:
    """Copy a scan into buckets of groups, then read the buckets: two passes for any number."""
    with open_work_folder(folder, "grouped") as copy:
        # without a seed the hash is fixed for a version of polars, and that is enough here
        bucket = pl.col(group_by).hash() % buckets
        key = {f"bucket of {group_by}": bucket}  # no column of a source has this name
        scan.sink_parquet(pl.PartitionBy(copy, key=key, include_key=False), mkdir=True)
        for part in sorted(copy.iterdir()):
            rows = pl.scan_parquet(part / "*.parquet", hive_partitioning=False)
            yield sort_rows(rows, delta.metadata().partition_columns).collect()
