"""A table in frames of some megabytes: none is read into memory whole.

Lives here: how much a frame holds, groups that must stay together, the check that all was read.
Not here: which table and which slice of it (`transforms.lake.lake`).
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from deltalake import DeltaTable

BATCH_BYTES = 4 << 20
"""Bytes of a table's files behind a frame; text unpacks to two to four times as much."""
GROUPED_BATCH_BYTES = 32 << 20
"""The same where rows of a group must be in one frame: less, and there are many more files."""
MIN_BATCH_ROWS = 64


def read_frames(
    delta: DeltaTable, scan: pl.LazyFrame, group_by: str | None, folder: Path
) -> Iterator[pl.DataFrame]:
    """Read a scan of a table frame by frame.

    Args:
        delta: the table.
        scan: all or some rows of it.
        group_by: column whose equal values come in one frame; the rest of the order is lost.
        folder: where a large table lies grouped while it is read.

    Raises:
        InterruptedError: polars stopped before the end.
    """
    files = pl.DataFrame(delta.get_add_actions(flatten=True))
    size, rows = (max(1, files[name].sum()) for name in ("size_bytes", "num_records"))
    if group_by is None:
        height = max(MIN_BATCH_ROWS, BATCH_BYTES * rows // size)
        frames = scan.collect_batches(chunk_size=height, maintain_order=True)
    elif size <= GROUPED_BATCH_BYTES:
        frames = iter([scan.collect()])
    else:
        frames = _grouped(scan, group_by, -(-size // GROUPED_BATCH_BYTES), folder)
    read = 0
    for frame in frames:
        yield frame
        read += frame.height
    if (total := scan.select(pl.len()).collect().item()) != read:
        # polars 2.1 ends its stream without an error when the program is interrupted
        raise InterruptedError(f"{read} of {total} rows of {delta.table_uri} were read")


def _grouped(
    scan: pl.LazyFrame, group_by: str, buckets: int, folder: Path
) -> Iterator[pl.DataFrame]:
    """Copy a scan into buckets of groups, then read them: two passes, however many they are."""
    with TemporaryDirectory(dir=folder, prefix="grouped-") as copy:
        # without a seed the hash is fixed for a version of polars, which is all that it takes
        bucket = pl.col(group_by).hash() % buckets
        key = {f"bucket of {group_by}": bucket}  # named as no native column is
        scan.sink_parquet(pl.PartitionBy(copy, key=key, include_key=False), mkdir=True)
        for part in sorted(Path(copy).iterdir()):
            yield pl.read_parquet(part / "*.parquet", hive_partitioning=False)
