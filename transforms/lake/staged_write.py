"""Replacing a slice that does not fit into memory: rows in parts, then one commit of their files.

Delta's writer takes a stream of rows as fast as they are made, and keeps what it has not written
yet: its memory grows with the rows. Here a part of bounded size at a time is written to a staged
table on this machine. At the end its files are moved to the table and committed together, so that
the table has all rows of the slice or none.

Source: https://delta-io.github.io/delta-rs/api/transaction/.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable
from deltalake.transaction import AddAction, create_table_with_add_actions

from transforms.lake.commit import KEEP_LOG, LOG_SETTINGS, commit, describe_commit
from transforms.lake.enforcement import Slice
from transforms.lake.row_order import find_next_number
from transforms.lake.store.folder import Folder
from transforms.lake.store.store import Store
from transforms.lake.transaction_log import list_commits, read_commits
from transforms.lake.work_folders import open_work_folder

PART_BYTES = 64 << 20
"""Bytes in memory of the rows that are written at a time."""


class StagedParts:
    """The rows of a slice, written part by part to a staged table."""

    def __init__(
        self,
        store: Store,
        table: str,
        schema: pl.Schema,
        first_number: int,
        pool: ThreadPoolExecutor,
    ) -> None:
        """Start without rows.

        Args:
            store: place of the staged table.
            table: its name.
            schema: columns and types of every frame.
            first_number: number of the first row (`transforms.lake.row_order`).
            pool: one thread, which writes a part while the next one is made.
        """
        self._store, self._table, self._pool = store, table, pool
        self._number = first_number
        self._frames = [pl.DataFrame(schema=schema)]
        self._bytes = 0
        self._written: Future[int] | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Add rows; raises the error of an earlier part."""
        self._frames.append(frame)
        self._bytes += int(frame.estimated_size())
        if self._bytes >= PART_BYTES:
            self._write()

    def end(self) -> None:
        """Write the last part, and wait for it."""
        if self._frames:
            self._write()
        if self._written:
            self._written.result()

    def _write(self) -> None:
        if self._written:
            self._written.result()
        part, number = pl.concat(self._frames), self._number
        self._frames, self._bytes, self._number = [], 0, number + part.height
        self._written = self._pool.submit(
            commit, self._store, self._table, part, "append", {}, number=number
        )


@contextmanager
def stage_slice(store: Store, table: str, schema: pl.Schema, rows: Slice) -> Iterator[StagedParts]:
    """Collect the rows of a slice; when the block ends, they replace it in one commit.

    Args:
        store: where the lake is.
        table: its name.
        schema: columns and types of every frame.
        rows: the slice, as values of partition columns; empty for the whole table.

    Raises:
        InputError: the disk is full.
    """
    store.prepare()
    with open_work_folder(store.work, "staged") as place:
        staged = Folder(place)
        number = find_next_number(_open(store, table))
        with ThreadPoolExecutor(1) as pool:
            parts = StagedParts(staged, table, schema, number, pool)
            yield parts
            parts.end()
        _publish(staged, store, table, rows)


def _publish(staged: Folder, store: Store, table: str, rows: Slice) -> None:
    """Move the files of a staged table to a table, in which they replace a slice."""
    added = [
        action["add"]
        for commit in read_commits(staged, list_commits(staged, table).values())
        for action in commit
        if "add" in action
    ]
    for file in added:
        path = f"tables/{table}/{unquote(file['path'])}"
        store.move_in(staged.root / path, path)
    actions = [
        AddAction(
            path=unquote(file["path"]),  # is quoted by the writer of the commit
            size=file["size"],
            partition_values=file["partitionValues"],
            modification_time=file["modificationTime"],
            data_change=True,
            stats=file["stats"],
        )
        for file in added
    ]
    given = DeltaTable(staged.address(f"tables/{table}"))
    partitions = given.metadata().partition_columns
    properties = describe_commit(rows)
    if delta := _open(store, table):
        delta.create_write_transaction(
            [*actions],
            "overwrite",
            given.schema(),
            partitions,
            [(column, "=", str(value)) for column, value in rows.items()] or None,
            commit_properties=properties,
            post_commithook_properties=KEEP_LOG,
        )
    else:
        create_table_with_add_actions(
            store.address(f"tables/{table}"),
            given.schema(),
            actions,
            partition_by=partitions,
            configuration=LOG_SETTINGS,
            commit_properties=properties,
            post_commithook_properties=KEEP_LOG,
        )


def _open(store: Store, table: str) -> DeltaTable | None:
    address = store.address(f"tables/{table}")
    return DeltaTable(address) if DeltaTable.is_deltatable(address) else None
