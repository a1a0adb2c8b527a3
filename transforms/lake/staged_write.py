"""Replacing a slice that does not fit into memory: rows in parts, then one commit of their files.

Delta's writer takes a stream of rows as fast as they are made, and keeps what it has not written
yet: its memory grows with the rows. Here a part of bounded size at a time is written to a staged
table next to the tables. At the end its files are moved to the table and committed together, so
that the table has all rows of the slice or none.

Source: https://delta-io.github.io/delta-rs/api/transaction/.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable
from deltalake.transaction import AddAction, create_table_with_add_actions

from transforms.lake.commit import KEEP_LOG, commit, describe_commit
from transforms.lake.enforcement import Slice
from transforms.lake.row_order import find_next_number
from transforms.lake.transaction_log import list_commits, read_actions

PART_BYTES = 64 << 20
"""Bytes in memory of the rows that are written at a time."""


class StagedParts:
    """The rows of a slice, written part by part to a staged table."""

    def __init__(
        self, folder: Path, schema: pl.Schema, first_number: int, pool: ThreadPoolExecutor
    ) -> None:
        """Start without rows.

        Args:
            folder: folder of the staged table.
            schema: columns and types of every frame.
            first_number: number of the first row (`transforms.lake.row_order`).
            pool: one thread, which writes a part while the next one is made.
        """
        self._folder, self._pool = folder, pool
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
        self._written = self._pool.submit(commit, self._folder, part, "append", {}, number=number)


@contextmanager
def stage_slice(folder: Path, schema: pl.Schema, rows: Slice, root: Path) -> Iterator[StagedParts]:
    """Collect the rows of a slice; when the block ends, they replace it in one commit.

    Args:
        folder: folder of the table, named like the table.
        schema: columns and types of every frame.
        rows: the slice, as values of partition columns; empty for the whole table.
        root: an existing folder for the staged table, on the disk of the table.

    Raises:
        InputError: the disk is full.
    """
    with TemporaryDirectory(dir=root, prefix="staged-") as place:
        staged = Path(place) / folder.name
        number = find_next_number(_open(folder))
        with ThreadPoolExecutor(1) as pool:
            parts = StagedParts(staged, schema, number, pool)
            yield parts
            parts.end()
        _publish(staged, folder, rows)


def _publish(staged: Path, folder: Path, rows: Slice) -> None:
    """Move the files of a staged table to a table, in which they replace a slice."""
    added = [
        action["add"]
        for log in list_commits(staged).values()
        for action in read_actions(log)
        if "add" in action
    ]
    for file in added:
        path = unquote(file["path"])
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (staged / path).rename(folder / path)
    actions = [
        AddAction(
            path=file["path"],
            size=file["size"],
            partition_values=file["partitionValues"],
            modification_time=file["modificationTime"],
            data_change=True,
            stats=file["stats"],
        )
        for file in added
    ]
    given = DeltaTable(staged)
    partitions = given.metadata().partition_columns
    properties = describe_commit(rows)
    if delta := _open(folder):
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
            str(folder),
            given.schema(),
            actions,
            partition_by=partitions,
            commit_properties=properties,
            post_commithook_properties=KEEP_LOG,
        )


def _open(folder: Path) -> DeltaTable | None:
    return DeltaTable(folder) if DeltaTable.is_deltatable(str(folder)) else None
