"""Delta commits: options of the writer, retries after other writers' commits, a full disk.

Not here: the check of the rows (`transforms.lake.enforcement`).
Source: https://delta-io.github.io/delta-rs/usage/writing/.
"""

import errno
import random
import shutil
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import polars as pl
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError

from transforms.errors import InputError
from transforms.lake.chunk_names import find_new_chunks
from transforms.lake.enforcement import Slice
from transforms.lake.row_order import find_next_number, number_rows
from transforms.lake.schemas import TABLES
from transforms.lake.schemas.table import ORDER
from transforms.lake.store.store import Store

Mode = Literal["append", "overwrite"]

Rows = pl.DataFrame | Mapping[str, pl.DataFrame]
"""Rows of a commit: a frame, or chunks by their names (`transforms.lake.chunk_names`)."""

FILE_BYTES = 32 << 20
"""Size of a table's files. The writer keeps one file in memory."""
ZSTD_LEVEL = 1
"""It takes as long as Delta's default, Snappy, and needs two thirds of the bytes."""
ROW_GROUP_ROWS = 16_384
WRITER = WriterProperties(
    compression="ZSTD", compression_level=ZSTD_LEVEL, max_row_group_size=ROW_GROUP_ROWS
)

LOG_SETTINGS = {"delta.checkpointInterval": "25"}
"""A checkpoint of the log after so many commits; each reader reads the last one and the commits
after it. deltalake makes one after 100. Measured with 1,500 commits: 37 ms of a processor per
commit with 100, 27 with 25, 23 with 10; but each checkpoint names all files of the table."""

KEEP_LOG = PostCommitHookProperties(cleanup_expired_logs=False)
"""Keeps the log complete. Delta would remove commits after a month, and their versions could no
longer be read."""

ATTEMPTS = 20
"""Attempts at a commit, if other writers commit first each time."""

NO_SPACE = f"os error {errno.ENOSPC}"
"""Part of the text of Delta's errors about a full disk; these errors have no type of their own."""


def slice_predicate(rows: Slice) -> str:
    """Return a slice as a Delta predicate; text values are quoted and escaped."""
    return " and ".join(
        f"{column} = '{value.replace(chr(39), 2 * chr(39))}'"
        if isinstance(value, str)
        else f"{column} = {value}"
        for column, value in rows.items()
    )


def describe_commit(rows: Slice, **properties: Any) -> CommitProperties:
    """Return the properties of a commit; the log keeps the slice that it writes."""
    return CommitProperties(custom_metadata={"prefloop.slice": slice_predicate(rows)}, **properties)


def commit_rows(store: Store, table: str, rows: Rows, mode: Mode, slice_: Slice) -> int:
    """Commit rows (`commit`); try again if another writer committed first."""
    for attempt in range(1, ATTEMPTS):
        try:
            return commit(store, table, rows, mode, slice_)
        except CommitFailedError:
            time.sleep(random.uniform(0, 0.1 * attempt))
    return commit(store, table, rows, mode, slice_)


def commit(
    store: Store,
    table: str,
    rows: Rows,
    mode: Mode,
    slice_: Slice,
    *,
    number: int | None = None,
) -> int:
    """Write rows to a table in one commit; return its version.

    Rows of a table with the column `commit_version` get the version of the commit there.

    Args:
        store: where the lake is.
        table: its name.
        rows: the rows, or chunks of them; chunks that the table has are not written again.
        mode: `append`, or `overwrite` a slice.
        slice_: the slice that is overwritten; empty for the whole table.
        number: number of the first row; by default the next one of the table
            (`transforms.lake.row_order`).

    Raises:
        InputError: the disk is full.
        CommitFailedError: another writer changed the rows that are overwritten, or has committed
            the version that the rows have.
    """
    store.prepare()
    address = store.address(f"tables/{table}")
    ordered = table in TABLES and ORDER in TABLES[table].columns
    partitions = list(TABLES[table].partitions) if table in TABLES else []
    # given the open table, the writer need not read the log again
    delta = DeltaTable(address) if DeltaTable.is_deltatable(address) else None
    if isinstance(rows, pl.DataFrame):
        frame, transactions = rows, None
    else:
        new = find_new_chunks(delta, rows)
        if delta and not new:
            return delta.version()
        frame, transactions = pl.concat(rows[name] for name in new), [*new.values()]
    if ordered:
        frame = frame.with_columns(pl.col(ORDER).fill_null(delta.version() + 1 if delta else 0))
    # a table that another writer makes meanwhile is an error: its first version is taken
    make = "error" if ordered and not delta else None
    numbered = number_rows(frame, find_next_number(delta) if number is None else number)
    try:
        write = partial(
            write_deltalake,
            delta or address,
            numbered,
            partition_by=partitions or None,
            # a raw table has the columns of its source; all others are declared
            schema_mode="overwrite" if table not in TABLES and mode == "overwrite" else None,
            target_file_size=FILE_BYTES,
            configuration=None if delta else LOG_SETTINGS,
            writer_properties=WRITER,
            commit_properties=describe_commit(
                slice_,
                app_transactions=transactions,
                # rows that have their version cannot become those of a later one
                max_commit_retries=0 if ordered else None,
            ),
            post_commithook_properties=KEEP_LOG,
        )
        if mode == "append":
            write(mode=make or mode)
        else:
            write(mode=mode, predicate=slice_predicate(slice_) if slice_ and delta else None)
    except DeltaError as error:
        _raise_cause(error, store, table, taken=bool(make))
        raise
    return (delta or DeltaTable(address)).version()


def _raise_cause(error: DeltaError, store: Store, table: str, *, taken: bool) -> None:
    """Raise the error that stands for a failed write, if Delta's own error hides it.

    Args:
        error: Delta's error.
        store: where the lake is.
        table: its name.
        taken: whether the write failed if another writer had made the table.
    """
    if taken and DeltaTable.is_deltatable(store.address(f"tables/{table}")):
        raise CommitFailedError(str(error)) from error
    if NO_SPACE in str(error):
        raise full_disk_error(store, table) from error


def full_disk_error(store: Store, table: str) -> InputError:
    """Return the error about a full disk."""
    return InputError(
        f"the disk is full; nothing was added to table {table}",
        expected=f"room for the rows in {store.root}",
        found=f"{shutil.disk_usage(store.work).free} bytes free",
        remedy="free some space, then run the same command again: it continues from here",
    )
