"""Replacing a slice that does not fit into memory: rows in parts, then one commit of their files.

Delta's writer takes a stream of rows as fast as they are made, and keeps what it has not written
yet: its memory grows with the rows. Here polars writes a part of bounded size at a time to a file
on this machine, with half of the page faults. At the end the files are moved to the table and
committed together, so that the table has all rows of the slice or none.

Source: https://delta-io.github.io/delta-rs/api/transaction/.
"""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote
from uuid import uuid4

import polars as pl
from deltalake import DeltaTable, Schema
from deltalake.transaction import AddAction, create_table_with_add_actions

from transforms.lake.commit import (
    KEEP_LOG,
    LOG_SETTINGS,
    NO_SPACE,
    ROW_GROUP_ROWS,
    ZSTD_LEVEL,
    describe_commit,
    full_disk_error,
)
from transforms.lake.enforcement import Slice
from transforms.lake.row_order import ROW_NUMBER, find_next_number, number_rows
from transforms.lake.schemas import TABLES
from transforms.lake.store.store import Store
from transforms.lake.work_folders import open_work_folder

PART_BYTES = 64 << 20
"""Bytes in memory of the rows that are written at a time."""


class Part(NamedTuple):
    """A file of rows."""

    file: Path
    first_number: int
    """Number of the first row (`transforms.lake.row_order`)."""
    rows: int


class StagedParts:
    """The rows of a slice, written part by part to files."""

    def __init__(
        self,
        folder: Path,
        schema: pl.Schema,
        first_number: int,
        pool: ThreadPoolExecutor,
    ) -> None:
        """Start without rows.

        Args:
            folder: folder of the files.
            schema: columns and types of the files.
            first_number: number of the first row (`transforms.lake.row_order`).
            pool: one thread, which writes a part while the next one is made.
        """
        self._folder, self._schema, self._pool = folder, schema, pool
        self._number = first_number
        self._frames: list[pl.DataFrame] = []
        self._bytes = 0
        self._written: list[Future[Part]] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Add rows; raises the error of an earlier part."""
        stored = frame.match_to_schema(self._schema, extra_columns="ignore")
        if stored.is_empty():
            return
        self._frames.append(stored)
        self._bytes += int(frame.estimated_size())
        if self._bytes >= PART_BYTES:
            self._write()

    def end(self) -> list[Part]:
        """Write the last part, and wait for it; return all parts."""
        if self._frames:
            self._write()
        return [part.result() for part in self._written]

    def _write(self) -> None:
        if self._written:
            self._written[-1].result()
        frames, number = self._frames, self._number
        self._frames, self._bytes = [], 0
        self._number += sum(frame.height for frame in frames)
        self._written.append(self._pool.submit(_write_part, self._folder, frames, number))


def _write_part(folder: Path, frames: list[pl.DataFrame], first_number: int) -> Part:
    rows = number_rows(pl.concat(frames), first_number)
    file = folder / f"part-{uuid4()}.parquet"
    rows.write_parquet(
        file,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        row_group_size=ROW_GROUP_ROWS,
    )
    return Part(file, first_number, rows.height)


@contextmanager
def stage_slice(store: Store, table: str, schema: pl.Schema, rows: Slice) -> Iterator[StagedParts]:
    """Collect the rows of a slice; when the block ends, they replace it in one commit.

    Args:
        store: where the lake is.
        table: its name.
        schema: columns and types of every frame.
        rows: the slice, as values of all partition columns; empty for a table without partitions.

    Raises:
        InputError: the disk is full.
    """
    store.prepare()
    partition = {name: rows[name] for name in (TABLES[table].partitions if table in TABLES else ())}
    stored = pl.Schema({name: schema[name] for name in schema if name not in partition})
    with open_work_folder(store.work, "staged") as folder:
        number = find_next_number(_open(store, table))
        try:
            with ThreadPoolExecutor(1) as pool:
                staged = StagedParts(folder, stored, number, pool)
                yield staged
                parts = staged.end()
        except pl.exceptions.ComputeError as error:
            if NO_SPACE in str(error):
                raise full_disk_error(store, table) from error
            raise
        _publish(parts, store, table, schema, partition, rows)


def _publish(
    parts: list[Part], store: Store, table: str, schema: pl.Schema, partition: Slice, rows: Slice
) -> None:
    """Move files to a table, in which they replace a slice that is in one partition."""
    folder = "".join(f"{name}={quote(str(value), safe='')}/" for name, value in partition.items())
    actions = []
    for part in parts:
        path = f"{folder}{part.file.name}"
        numbers = {"minValues": part.first_number, "maxValues": part.first_number + part.rows - 1}
        statistics = {"numRecords": part.rows} | {
            name: {ROW_NUMBER: number} for name, number in (numbers | {"nullCount": 0}).items()
        }
        status = part.file.stat()
        store.move_in(part.file, f"tables/{table}/{path}")
        actions.append(
            AddAction(
                path=path,  # is quoted by the writer of the commit
                size=status.st_size,
                partition_values={name: str(value) for name, value in partition.items()},
                modification_time=status.st_mtime_ns // 10**6,
                data_change=True,
                stats=json.dumps(statistics),
            )
        )
    empty = number_rows(pl.DataFrame(schema=schema), 0)
    columns = Schema.from_arrow(empty.to_arrow().schema)
    properties = describe_commit(rows)
    if delta := _open(store, table):
        delta.create_write_transaction(
            [*actions],
            "overwrite",
            columns,
            list(partition),
            [(column, "=", str(value)) for column, value in rows.items()] or None,
            commit_properties=properties,
            post_commithook_properties=KEEP_LOG,
        )
    else:
        create_table_with_add_actions(
            store.address(f"tables/{table}"),
            columns,
            actions,
            partition_by=list(partition),
            configuration=LOG_SETTINGS,
            commit_properties=properties,
            post_commithook_properties=KEEP_LOG,
        )


def _open(store: Store, table: str) -> DeltaTable | None:
    address = store.address(f"tables/{table}")
    return DeltaTable(address) if DeltaTable.is_deltatable(address) else None
