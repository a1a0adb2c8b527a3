"""The lake: Delta tables under one root, their schemas enforced when they are written.

Lives here: reading, overwriting a slice, appending, versions. Not here: what the rows mean
(`transforms.tables.schemas`), SQL (`transforms.tables.query`), orchestration.

A *slice* is the set of rows of one experiment and, in most tables, one iteration. Overwriting a
slice is one commit that replaces exactly those rows; the replaced ones stay readable by version.
Source: Delta Lake's `replaceWhere`, https://delta-io.github.io/delta-rs/usage/writing/.
"""

import errno
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from deltalake import (
    CommitProperties,
    DeltaTable,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from transforms.errors import InputError
from transforms.tables.damage import require_whole
from transforms.tables.frames import read_frames
from transforms.tables.handover import Handover
from transforms.tables.schemas import NEWEST, PARTITIONS, SCHEMAS, enforce

FILE_BYTES = 32 << 20
"""Size of a table's files. The writer has one of them in memory."""
WRITER = WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=16_384)
"""Level 1 takes as long as the default, Snappy, and leaves two thirds of the bytes."""

COMMIT_ATTEMPTS = 20
"""Times that a commit is tried when other writers' commits keep coming first."""

NO_SPACE = f"os error {errno.ENOSPC}"
"""What Delta's errors say of a full disk; they have no code of their own."""

Slice = Mapping[str, str | int]


def slice_predicate(rows: Slice) -> str:
    """Write a slice as a Delta predicate; text values are quoted and escaped."""
    return " and ".join(
        f"{column} = '{value.replace(chr(39), 2 * chr(39))}'"
        if isinstance(value, str)
        else f"{column} = {value}"
        for column, value in rows.items()
    )


class Lake:
    """Delta tables in `root`, one folder each; checkpoints lie beside them in `checkpoints/`."""

    def __init__(self, root: Path | str) -> None:
        """Name the root; nothing is created before the first write."""
        self.root = Path(root).expanduser().resolve()

    def path(self, table: str) -> Path:
        """Folder of a table, whether or not it exists."""
        return self.root / "tables" / table

    def tables(self) -> list[str]:
        """Names of the tables that exist, sorted."""
        return sorted(log.parent.name for log in (self.root / "tables").glob("*/_delta_log"))

    def exists(self, table: str) -> bool:
        """Tell whether the table has been written at least once."""
        return DeltaTable.is_deltatable(str(self.path(table)))

    def delta(self, table: str, version: int | None = None) -> DeltaTable:
        """Open a table, at its last or a named version.

        Raises:
            InputError: the table does not exist.
        """
        try:
            return DeltaTable(self.path(table), version=version)
        except TableNotFoundError:
            raise InputError(
                f"table {table} is missing",
                expected=f"a Delta table in {self.path(table)}",
                found=f"tables {', '.join(self.tables()) or 'none'}",
                remedy="materialize its asset first (prefloop run, or the Dagster page)",
            ) from None

    def version(self, table: str) -> int:
        """Last version of a table."""
        return self.delta(table).version()

    def height(self, table: str) -> int:
        """Count the rows of a table, from its log and its files' footers."""
        return self.delta(table).to_pyarrow_dataset().count_rows()

    def scan(self, table: str, /, version: int | None = None, **rows: str | int) -> pl.LazyFrame:
        """Scan a table lazily, optionally one slice of it, optionally at an old version.

        Raises:
            InputError: the table does not exist, an older prefloop wrote it with other columns, or
                a file of it is gone or cut short.
        """
        delta = self.delta(table, version)
        found = [field.name for field in delta.schema().fields]
        if missing := [name for name in SCHEMAS.get(table, {}) if name not in found]:
            raise InputError(
                f"table {table} was written by another version of prefloop",
                expected=f"a column {', '.join(missing)}",
                found=", ".join(found),
                remedy="make the lake anew in another --home, or go back to that version",
            )
        require_whole(delta, self.path(table), table)
        frame = pl.scan_delta(delta)
        for column, value in rows.items():
            frame = frame.filter(pl.col(column) == value)
        return frame

    def read(self, table: str, /, version: int | None = None, **rows: str | int) -> pl.DataFrame:
        """Read a table, or one slice of it, into memory."""
        return self.scan(table, version, **rows).collect()

    def overwrite(self, table: str, frame: pl.DataFrame, /, **rows: str | int) -> int:
        """Replace a slice (the whole table without one) in one commit; return the new version.

        Args:
            table: name in `transforms.tables.schemas.SCHEMAS`, or `raw_<source>`.
            frame: the new rows; every row must lie in the slice.
            rows: the slice, as column values.

        Raises:
            InputError: columns or types differ from the schema, or a row is outside the slice.
        """
        return self._write(table, frame, "overwrite", rows)

    @contextmanager
    def overwriting(
        self, table: str, schema: pl.Schema, /, **rows: str | int
    ) -> Iterator[Callable[[pl.DataFrame], None]]:
        """Replace a slice frame by frame: `with lake.overwriting(...) as write: write(frame)`.

        The commit stands when the block is left; an error in it leaves the table as it was. Frames
        are written by a thread of their own while the next ones are made; memory holds a few.

        Args:
            table: name in `transforms.tables.schemas.SCHEMAS`, or `raw_<source>`.
            schema: columns and types of every frame.
            rows: the slice, as column values.

        Raises:
            InputError: columns or types differ from the table's schema, or a row is outside the
                slice.
        """
        arrow = pl.DataFrame(schema=schema).to_arrow(compat_level=NEWEST).schema
        frames = Handover()
        with ThreadPoolExecutor(1) as pool:
            reader = pa.RecordBatchReader.from_batches(arrow, frames.batches())
            commit = pool.submit(self._commit, table, reader, "overwrite", rows)
            commit.add_done_callback(frames.abandon)
            try:
                yield lambda frame: frames.put(self._checked(table, frame, rows))
            except BrokenPipeError:
                commit.result()  # the writer stopped first; its error says why
                raise
            except BaseException:
                frames.fail()
                raise
            frames.end()
            commit.result()

    def batches(
        self, table: str, /, group_by: str | None = None, **rows: str | int
    ) -> Iterator[pl.DataFrame]:
        """Read a table, or one slice of it, in frames of some megabytes.

        Args:
            table: its name.
            group_by: column whose equal values come in one frame; the rest of the order is lost.
            rows: the slice, as column values.

        Raises:
            InterruptedError: polars stopped before the end.
        """
        scan = self.scan(table, **rows)
        yield from read_frames(self.delta(table), scan, group_by, self.root)

    def append(
        self, table: str, frame: pl.DataFrame, *, transaction: Transaction | None = None
    ) -> int:
        """Add rows in one commit; return the new version.

        Args:
            table: name in `transforms.tables.schemas.SCHEMAS`, or `raw_<source>`.
            frame: the new rows.
            transaction: names the commit (`transforms.tables.chunks`): where the table already
                holds this one or a later one of its application, nothing is written.
        """
        return self._write(table, frame, "append", {}, transaction)

    def delete(self, table: str, /, **rows: str | int) -> int:
        """Remove a slice in one commit; return the version."""
        delta = self.delta(table)
        delta.delete(slice_predicate(rows))
        return delta.version()

    def _write(
        self,
        table: str,
        frame: pl.DataFrame,
        mode: str,
        rows: Slice,
        transaction: Transaction | None = None,
    ) -> int:
        checked = self._checked(table, frame, rows)
        for attempt in range(1, COMMIT_ATTEMPTS):
            try:
                return self._commit(table, checked, mode, rows, transaction)
            except CommitFailedError:
                # Another writer's commit came between reading the table and this one.
                time.sleep(random.uniform(0, 0.1 * attempt))
        return self._commit(table, checked, mode, rows, transaction)

    def _checked(self, table: str, frame: pl.DataFrame, rows: Slice) -> pl.DataFrame:
        if table in SCHEMAS:
            frame = enforce(table, frame)
        for column, value in rows.items():
            outside = frame[column].ne_missing(value).sum()
            if outside:
                raise InputError(
                    f"rows outside the slice of {table}",
                    expected=f"{column} = {value} in every row",
                    found=f"{outside} of {frame.height} rows with another value",
                    remedy="write each slice with its own call",
                )
        return frame

    def _commit(
        self,
        table: str,
        data: Any,
        mode: str,
        rows: Slice,
        transaction: Transaction | None = None,
    ) -> int:
        # a table that is open already is not read again to learn its last version
        delta = self.delta(table) if self.exists(table) else None
        if delta and transaction:
            committed = delta.transaction_version(transaction.app_id)
            if committed is not None and committed >= transaction.version:
                return delta.version()
        try:
            write_deltalake(
                delta or self.path(table),
                data,
                mode=mode,
                partition_by=PARTITIONS.get(table),
                predicate=slice_predicate(rows) if rows and delta else None,
                # A raw table follows its source's native columns; every other schema is ours and fixed.
                schema_mode="overwrite" if mode == "overwrite" and table not in SCHEMAS else None,
                target_file_size=FILE_BYTES,
                writer_properties=WRITER,
                commit_properties=CommitProperties(
                    custom_metadata={"prefloop.slice": slice_predicate(rows)},
                    app_transactions=[transaction] if transaction else None,
                ),
            )
        except DeltaError as error:
            if NO_SPACE not in str(error):
                raise
            raise InputError(
                f"the disk is full; nothing was added to table {table}",
                expected=f"room for the rows in {self.root}",
                found=f"{shutil.disk_usage(self.root).free} bytes free",
                remedy="free some space, then run the same command again: it goes on from here",
            ) from error
        return (delta or self.delta(table)).version()
