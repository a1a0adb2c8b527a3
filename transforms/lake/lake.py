"""The lake: Delta tables under one root, whose schemas are enforced on write.

The root is a folder, or an address of an object store (`transforms.lake.store`).

A `Lake` reads tables, overwrites slices, appends chunks, and opens old versions. Rows are read in
the order in which they were written (`transforms.lake.row_order`). Not here: the meaning of rows
(`transforms.lake.schemas`), SQL (`transforms.views.query`).

A *slice* is the set of rows of one experiment and, in most tables, one iteration. Overwriting a
slice is one commit that replaces exactly those rows. The old rows stay readable by version.
Source: Delta Lake's `replaceWhere`, https://delta-io.github.io/delta-rs/usage/writing/.
"""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from transforms.errors import InputError
from transforms.lake.batched_reads import read_in_frames
from transforms.lake.commit import KEEP_LOG, Mode, Rows, commit_rows, slice_predicate
from transforms.lake.enforcement import Slice, enforce_slice, require_columns
from transforms.lake.file_integrity import require_intact
from transforms.lake.row_order import ROW_NUMBER, sort_rows
from transforms.lake.schemas import schema_of
from transforms.lake.staged_write import stage_slice
from transforms.lake.store.registry import open_store


class Lake:
    """Delta tables in `root/tables`, one folder each; checkpoints are in `root/checkpoints`."""

    def __init__(self, root: Path | str) -> None:
        """Open the lake at `root`; nothing is created before the first write.

        Raises:
            InputError: `root` is an address that no store has (`transforms.lake.store.registry`).
        """
        self.store = open_store(root)

    @property
    def root(self) -> Path | str:
        """Return the folder or the address of the lake."""
        return self.store.root

    @property
    def live(self) -> "Lake":
        """Return the lake without pinned versions (`transforms.lake.pinned_lake`)."""
        return self

    def address(self, table: str) -> str:
        """Return the place of a table as Delta reads it; the table need not exist.

        Raises:
            InputError: the name could be a path to another folder.
        """
        _require_name(table)
        return self.store.address(f"tables/{table}")

    def locate(self, path: str) -> str:
        """Return the path in the lake of a file or folder that is named in a table.

        Raises:
            InputError: the path leads out of the lake.
        """
        place = posixpath.normpath(path)
        if place.startswith(("/", "..")):
            raise InputError(
                "a path in a table of the lake leads out of it",
                expected=f"a path inside {self.root}",
                found=path,
                remedy="do not use this lake: one of its tables was changed by other means",
            )
        return place

    def tables(self) -> list[str]:
        """Return the names of the tables that exist, sorted."""
        return self.store.list_tables()

    def exists(self, table: str) -> bool:
        """Check whether a table exists, that is, was written at least once."""
        return DeltaTable.is_deltatable(self.address(table))

    def delta(self, table: str, version: int | None = None) -> DeltaTable:
        """Open a table, at its last or a given version.

        Raises:
            InputError: the table does not exist.
        """
        try:
            return DeltaTable(self.address(table), version=version)
        except TableNotFoundError:
            raise InputError(
                f"table {table} is missing",
                expected=f"a Delta table in {self.address(table)}",
                found=f"tables {', '.join(self.tables()) or 'none'}",
                remedy="materialize its asset first (prefloop run, or the Dagster UI)",
            ) from None

    def version(self, table: str) -> int:
        """Return the last version of a table."""
        return self.delta(table).version()

    def height(self, table: str) -> int:
        """Count the rows of a table from its log and the footers of its files."""
        return self.delta(table).to_pyarrow_dataset().count_rows()

    def scan(self, table: str, version: int | None = None, /, **rows: str | int) -> pl.LazyFrame:
        """Scan a table lazily, optionally one slice of it, optionally at an old version.

        The rows are in the order in which they were written (`transforms.lake.row_order`).

        Raises:
            InputError: the table does not exist, or a file of it is missing or truncated.
        """
        delta = self.delta(table, version)
        partitions = [name for name in delta.metadata().partition_columns if name not in rows]
        return sort_rows(self._scan_stored(table, delta, rows), partitions)

    def read(self, table: str, version: int | None = None, /, **rows: str | int) -> pl.DataFrame:
        """Read a table, or one slice of it, into memory."""
        return self.scan(table, version, **rows).collect()

    def scan_or_empty(self, table: str, /, **rows: str | int) -> pl.LazyFrame:
        """Scan a declared table or a slice of it; it has no rows if it was never written."""
        if not self.exists(table):
            return pl.LazyFrame(schema=schema_of(table))
        return self.scan(table, None, **rows)

    def read_or_empty(self, table: str, /, **rows: str | int) -> pl.DataFrame:
        """Read a declared table or a slice of it; it has no rows if it was never written."""
        return self.scan_or_empty(table, **rows).collect()

    def overwrite(self, table: str, frame: pl.DataFrame, /, **rows: str | int) -> int:
        """Replace a slice (the whole table without one) in one commit; return the new version.

        Args:
            table: name in `transforms.lake.schemas.TABLES`, or `raw_<source>`.
            frame: the new rows, all in the slice.
            rows: the slice, as column values.

        Raises:
            InputError: columns or types differ from the schema, or a row is outside the slice.
        """
        return self._write(table, enforce_slice(table, frame, rows), "overwrite", rows)

    @contextmanager
    def overwrite_frames(
        self, table: str, schema: pl.Schema, /, **rows: str | int
    ) -> Iterator[Callable[[pl.DataFrame], None]]:
        """Replace a slice frame by frame: `with lake.overwrite_frames(...) as write: write(frame)`.

        The commit is made when the block ends; an error in the block leaves the table unchanged.
        The rows are written in parts, so that memory does not grow with them
        (`transforms.lake.staged_write`).

        Args:
            table: name in `transforms.lake.schemas.TABLES`, or `raw_<source>`.
            schema: columns and types of every frame.
            rows: the slice, as values of partition columns.

        Raises:
            InputError: columns or types differ from the table's schema, a row is outside the slice,
                or the disk is full.
        """
        _require_name(table)
        with stage_slice(self.store, table, schema, rows) as parts:
            yield lambda frame: parts.add(enforce_slice(table, frame, rows))

    def read_frames(
        self,
        table: str,
        version: int | None = None,
        /,
        group_by: str | None = None,
        **rows: str | int,
    ) -> Iterator[pl.DataFrame]:
        """Read a table, or one slice of it, in frames of a few megabytes.

        Args:
            table: its name.
            version: an old version; by default the last one.
            group_by: rows with equal values of this column are in one frame; the order is that of
                the groups, then that of the rows.
            rows: the slice, as column values.

        Raises:
            InterruptedError: the frames have fewer rows than the table.
        """
        delta = self.delta(table, version)
        scan = self._scan_stored(table, delta, rows)
        yield from read_in_frames(delta, scan, group_by, self.store.work)

    def append(self, table: str, frame: pl.DataFrame) -> int:
        """Add rows in one commit; return the new version.

        Args:
            table: name in `transforms.lake.schemas.TABLES`, or `raw_<source>`.
            frame: the new rows.
        """
        return self._write(table, enforce_slice(table, frame, {}), "append", {})

    def append_chunks(self, table: str, chunks: Mapping[str, pl.DataFrame]) -> int:
        """Add chunks of rows in one commit; those that the table has are left out.

        Args:
            table: name in `transforms.lake.schemas.TABLES`, or `raw_<source>`.
            chunks: the chunks by name (`transforms.lake.chunk_names`), in order.

        Returns:
            The new version, or the last one if the table has all chunks.
        """
        rows = {name: enforce_slice(table, frame, {}) for name, frame in chunks.items()}
        return self._write(table, rows, "append", {})

    def delete(self, table: str, /, **rows: str | int) -> int:
        """Remove a slice in one commit; return the version."""
        delta = self.delta(table)
        delta.delete(slice_predicate(rows), post_commithook_properties=KEEP_LOG)
        return delta.version()

    def _scan_stored(self, table: str, delta: DeltaTable, rows: Slice) -> pl.LazyFrame:
        """Scan the rows of a slice with their numbers, in no order."""
        require_columns(table, {field.name for field in delta.schema().fields}, [ROW_NUMBER])
        require_intact(delta, self.store, table)
        frame = pl.scan_delta(delta)
        for column, value in rows.items():
            frame = frame.filter(pl.col(column) == value)
        return frame

    def _write(self, table: str, rows: Rows, mode: Mode, slice_: Slice) -> int:
        _require_name(table)
        return commit_rows(self.store, table, rows, mode, slice_)


def _require_name(table: str) -> None:
    if not re.fullmatch(r"\w+", table, re.ASCII):
        raise InputError(
            "this name cannot be the name of a table",
            expected="letters without accents, digits and _, and nothing else",
            found=repr(table),
            remedy="choose another name, such as another name of the source",
        )
