"""Reading a table in frames of a few megabytes, so that no table is in memory as a whole.

It sets the size of a frame, keeps the rows of a group in one frame, and checks that all rows were
read.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from deltalake import DeltaTable

BATCH_BYTES = 4 << 20
"""Bytes of a table's files per frame; text takes two to four times as much in memory."""
GROUPED_BATCH_BYTES = 32 << 20
"""Bytes per frame if the rows of a group must be in one frame; less would make many more files."""
MIN_BATCH_ROWS = 64


def read_in_frames(
    delta: DeltaTable, scan: pl.LazyFrame, group_by: str | None, folder: Path
) -> Iterator[pl.DataFrame]:
    """Read a scan of a table frame by frame.

    Args:
        delta: the table.
        scan: all or some rows of it.
        group_by: rows with equal values of this column are in one frame; the order of rows is lost.
        folder: folder for temporary files, which a large grouped table needs.

    Raises:
        InterruptedError: polars stopped before the end.
    """
    files = pl.DataFrame(delta.get_add_actions(flatten=True))
    size, rows = (max(1, int(files[name].sum())) for name in ("size_bytes", "num_records"))
    frames: Iterator[pl.DataFrame]
    if group_by is None:
        height = max(MIN_BATCH_ROWS, BATCH_BYTES * rows // size)
        frames = scan.collect_batches(chunk_size=height, maintain_order=True)
    elif size <= GROUPED_BATCH_BYTES:
        frames = iter([scan.collect()])
    else:
        frames = _read_groups(scan, group_by, -(-size // GROUPED_BATCH_BYTES), folder)
    read = 0
    for frame in frames:
        yield frame
        read += frame.height
    if (total := scan.select(pl.len()).collect().item()) != read:
        # polars 2.1 ends its stream without an error when the program is interrupted
        raise InterruptedError(f"only {read} of {total} rows of {delta.table_uri} were read")


def _read_groups(
    scan: pl.LazyFrame, group_by: str, buckets: int, folder: Path
) -> Iterator[pl.DataFrame]:
    """Copy a scan into buckets of groups, then read the buckets: two passes for any number."""
    with TemporaryDirectory(dir=folder, prefix="grouped-") as copy:
        # without a seed the hash is fixed for a version of polars, and that is enough here
        bucket = pl.col(group_by).hash() % buckets
        key = {f"bucket of {group_by}": bucket}  # no column of a source has this name
        scan.sink_parquet(pl.PartitionBy(copy, key=key, include_key=False), mkdir=True)
        for part in sorted(Path(copy).iterdir()):
            yield pl.read_parquet(part / "*.parquet", hive_partitioning=False)
