"""One Delta commit: the writer's options, other writers' commits in between, a full disk.

Not here: which rows are written, and whether they fit the table (`transforms.lake.lake`).
Source: https://delta-io.github.io/delta-rs/usage/writing/.
"""

import errno
import random
import shutil
import time
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError

from transforms.errors import InputError
from transforms.lake.enforcement import Slice
from transforms.lake.schemas import TABLES

FILE_BYTES = 32 << 20
"""Size of a table's files. The writer has one of them in memory."""
WRITER = WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=16_384)
"""Level 1 takes as long as the default, Snappy, and leaves two thirds of the bytes."""

KEEP_LOG = PostCommitHookProperties(cleanup_expired_logs=False)
"""A version can only be read while its commits are in the log, which Delta would cut off after a
month: no commit here does."""

ATTEMPTS = 20
"""Times that a commit is tried when other writers' commits keep coming first."""

NO_SPACE = f"os error {errno.ENOSPC}"
"""What Delta's errors say of a full disk; they have no code of their own."""


def slice_predicate(rows: Slice) -> str:
    """Write a slice as a Delta predicate; text values are quoted and escaped."""
    return " and ".join(
        f"{column} = '{value.replace(chr(39), 2 * chr(39))}'"
        if isinstance(value, str)
        else f"{column} = {value}"
        for column, value in rows.items()
    )


def commit_frame(
    folder: Path,
    frame: pl.DataFrame,
    mode: str,
    rows: Slice,
    transaction: Transaction | None = None,
) -> int:
    """Commit a frame as `commit` does, again where another writer's commit came first."""
    for attempt in range(1, ATTEMPTS):
        try:
            return commit(folder, frame, mode, rows, transaction)
        except CommitFailedError:
            time.sleep(random.uniform(0, 0.1 * attempt))
    return commit(folder, frame, mode, rows, transaction)


def commit(
    folder: Path, data: Any, mode: str, rows: Slice, transaction: Transaction | None = None
) -> int:
    """Write rows to a table in one commit; return its version.

    Args:
        folder: of the table, named as the table is.
        data: a frame, or a reader of record batches, which is read once.
        mode: append | overwrite.
        rows: the slice that is overwritten; empty for the whole table.
        transaction: names the commit; one that the table holds already is not written again.

    Raises:
        InputError: the disk is full.
        CommitFailedError: another writer changed what is overwritten.
    """
    table = folder.name
    partitions = list(TABLES[table].partitions) if table in TABLES else []
    # a table that is open already is not read again to learn its last version
    delta = DeltaTable(folder) if DeltaTable.is_deltatable(str(folder)) else None
    if delta and transaction:
        committed = delta.transaction_version(transaction.app_id)
        if committed is not None and committed >= transaction.version:
            return delta.version()
    try:
        write_deltalake(
            delta or folder,
            data,
            mode=mode,
            partition_by=partitions or None,
            predicate=slice_predicate(rows) if rows and delta else None,
            # a raw table follows its source's columns; all others are declared
            schema_mode="overwrite" if table not in TABLES and mode == "overwrite" else None,
            target_file_size=FILE_BYTES,
            writer_properties=WRITER,
            commit_properties=CommitProperties(
                custom_metadata={"prefloop.slice": slice_predicate(rows)},
                app_transactions=[transaction] if transaction else None,
            ),
            post_commithook_properties=KEEP_LOG,
        )
    except DeltaError as error:
        if NO_SPACE not in str(error):
            raise
        raise InputError(
            f"the disk is full; nothing was added to table {table}",
            expected=f"room for the rows in {folder}",
            found=f"{shutil.disk_usage(folder).free} bytes free",
            remedy="free some space, then run the same command again: it goes on from here",
        ) from error
    return (delta or DeltaTable(folder)).version()
