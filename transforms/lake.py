"""The lake: Delta tables under one root, their schemas enforced when they are written.

Lives here: reading, overwriting a slice, appending, versions. Not here: what the rows mean
(`transforms.schemas`), SQL (`transforms.query`), orchestration.

A *slice* is the set of rows of one experiment and, in most tables, one iteration. Overwriting a
slice is one commit that replaces exactly those rows; the replaced ones stay readable by version.
Source: Delta Lake's `replaceWhere`, https://delta-io.github.io/delta-rs/usage/writing/.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError

from transforms.errors import InputError
from transforms.schemas import PARTITIONS, SCHEMAS, enforce

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

    def scan(self, table: str, /, version: int | None = None, **rows: str | int) -> pl.LazyFrame:
        """Scan a table lazily, optionally one slice of it, optionally at an old version."""
        frame = pl.scan_delta(self.delta(table, version))
        for column, value in rows.items():
            frame = frame.filter(pl.col(column) == value)
        return frame

    def read(self, table: str, /, version: int | None = None, **rows: str | int) -> pl.DataFrame:
        """Read a table, or one slice of it, into memory."""
        return self.scan(table, version, **rows).collect()

    def overwrite(self, table: str, frame: pl.DataFrame, /, **rows: str | int) -> int:
        """Replace a slice (the whole table without one) in one commit; return the new version.

        Args:
            table: name in `transforms.schemas.SCHEMAS`, or `raw_<source>`.
            frame: the new rows; every row must lie in the slice.
            rows: the slice, as column values.

        Raises:
            InputError: columns or types differ from the schema, or a row is outside the slice.
        """
        return self._write(table, frame, "overwrite", rows)

    def append(self, table: str, frame: pl.DataFrame) -> int:
        """Add rows in one commit; return the new version."""
        return self._write(table, frame, "append", {})

    def delete(self, table: str, predicate: str) -> int:
        """Remove the rows that satisfy a SQL predicate, in one commit; return the version."""
        table_ = self.delta(table)
        table_.delete(predicate)
        return table_.version()

    def _write(self, table: str, frame: pl.DataFrame, mode: str, rows: Slice) -> int:
        if table in SCHEMAS:
            frame = enforce(table, frame)
        for column, value in rows.items():
            outside = frame.filter(pl.col(column) != value).height
            if outside:
                raise InputError(
                    f"rows outside the slice of {table}",
                    expected=f"{column} = {value} in every row",
                    found=f"{outside} of {frame.height} rows with another value",
                    remedy="write each slice with its own call",
                )
        write_deltalake(
            self.path(table),
            frame.to_arrow(),
            mode=mode,
            partition_by=PARTITIONS.get(table),
            predicate=slice_predicate(rows) if rows and self.exists(table) else None,
            # A raw table follows its source's native columns; every other schema is ours and fixed.
            schema_mode="overwrite" if mode == "overwrite" and table not in SCHEMAS else None,
            commit_properties=CommitProperties(
                custom_metadata={"prefloop.slice": slice_predicate(rows)}
            ),
        )
        return self.version(table)
