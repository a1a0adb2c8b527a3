"""The lake as an asset sees it: its inputs at the versions that their records name.

While an asset is made, other runs may write slices of the tables that it reads. Recorded as read is
the output id of each upstream asset, `table@version`, and the record of that asset has the slices
that it wrote in any table, with their versions. This view reads exactly these versions.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import polars as pl
from deltalake import DeltaTable

from transforms.lake.asset_names import iteration_number
from transforms.lake.commit import Mode, Rows
from transforms.lake.enforcement import Slice
from transforms.lake.lake import Lake
from transforms.lake.row_order import sort_rows


class WrittenSlice(NamedTuple):
    """A slice that an asset replaced, and a version of the table that has its rows."""

    table: str
    version: int
    slice: Slice


class PinnedLake(Lake):
    """A lake with some slices at old versions.

    A slice that several inputs wrote is read at the newest of their versions. The other rows of a
    table that an output id names are read at the newest version of these ids; all other rows, and
    the rows that the asset itself writes, at the last version.
    """

    def __init__(
        self,
        root: Path | str,
        inputs: Mapping[str, str],
        written: Mapping[str, Sequence[WrittenSlice]] | None = None,
    ) -> None:
        """Open the lake at `root`.

        Args:
            root: its folder.
            inputs: output id by upstream asset. Ids of models are ignored.
            written: slices that an upstream asset wrote, by asset. If the table of its output id is
                not among them, it wrote the whole table or, as an asset of an iteration, the
                iteration's slice.
        """
        super().__init__(root)
        outputs = _read_outputs(inputs)
        slices = [one for found in (written or {}).values() for one in found]
        for asset, output in outputs.items():
            recorded = (written or {}).get(asset, ())
            if output.table not in {one.table for one in recorded}:
                slices.append(output)
        self._slices = sorted(slices, key=lambda one: -one.version)
        newest = sorted(outputs.values(), key=lambda one: one.version)
        self._newest = {one.table: one.version for one in newest}
        self._own: list[tuple[str, Slice]] = []

    @property
    def live(self) -> Lake:
        """Return the lake with all tables at their last versions."""
        return Lake(self.root)

    @property
    def pinned(self) -> dict[str, int]:
        """Return the newest version of each table that an output id names."""
        return dict(self._newest)

    def list_written(self) -> list[WrittenSlice]:
        """List the slices that the asset replaced or kept, at the last versions of their tables.

        Appended rows are not listed: they are the output of the asset, or are never replaced.
        """
        tables = {table for table, _ in self._own}
        versions = {table: self.live.version(table) for table in tables if self.exists(table)}
        return [
            WrittenSlice(table, versions[table], rows)
            for table, rows in self._own
            if table in versions
        ]

    def keep(self, table: str, /, **rows: str | int) -> None:
        """Count a slice that an earlier run wrote as written by this asset."""
        if (table, rows) not in self._own:
            self._own.append((table, rows))

    def delta(self, table: str, version: int | None = None) -> DeltaTable:
        """Open a table, at the given version or that of the rows outside all known slices."""
        return super().delta(table, self._newest.get(table) if version is None else version)

    def scan(self, table: str, version: int | None = None, /, **rows: str | int) -> pl.LazyFrame:
        """Scan a table, at the given version or each slice at its own."""
        if version is not None:
            return super().scan(table, version, **rows)
        parts = self._split(table, rows)
        deltas = {one: super(PinnedLake, self).delta(table, one) for one in parts}
        if len(parts) == 1:
            [only] = deltas.values()
            return super().scan(table, only.version(), **rows)
        frames = [self._scan_stored(table, deltas[one], rows).filter(parts[one]) for one in parts]
        partitions = deltas[next(iter(parts))].metadata().partition_columns
        others = [name for name in partitions if name not in rows]
        return sort_rows(pl.concat(frames, how="diagonal"), others)

    @contextmanager
    def overwrite_frames(
        self, table: str, schema: pl.Schema, /, **rows: str | int
    ) -> Iterator[Callable[[pl.DataFrame], None]]:
        """Replace a slice frame by frame, as `Lake.overwrite_frames` does."""
        self._unpin(table, rows)
        with super().overwrite_frames(table, schema, **rows) as write:
            yield write

    def delete(self, table: str, /, **rows: str | int) -> int:
        """Remove a slice in one commit; return the version."""
        self._unpin(table, rows)
        return super().delete(table, **rows)

    def _write(self, table: str, rows: Rows, mode: Mode, slice_: Slice) -> int:
        if mode == "overwrite":
            self._unpin(table, slice_)
        else:
            self._slices = [one for one in self._slices if one.table != table]
            self._newest.pop(table, None)
        return super()._write(table, rows, mode, slice_)

    def _unpin(self, table: str, rows: Slice) -> None:
        """Read a slice that the asset writes, and all rows that no input wrote, as they are now."""
        self._newest.pop(table, None)
        self.keep(table, **rows)

    def _split(self, table: str, rows: Slice) -> dict[int | None, pl.Expr]:
        """Return the versions at which rows of a slice are read, each with a condition for them."""
        own = [(None, slice_) for name, slice_ in self._own if name == table]
        read = [(one.version, one.slice) for one in self._slices if one.table == table]
        parts: dict[int | None, pl.Expr] = {}
        taken = pl.lit(False)
        for version, slice_ in [*own, *read, (self._newest.get(table), {})]:
            if any(rows.get(name, value) != value for name, value in slice_.items()):
                continue  # no row is in both
            equal = [pl.col(name).eq_missing(value) for name, value in slice_.items()]
            inside = pl.all_horizontal(*equal) if equal else pl.lit(True)
            parts[version] = parts.get(version, pl.lit(False)) | (inside & ~taken)
            taken = taken | inside
            if set(slice_) <= set(rows):
                break
        return parts


def _read_outputs(inputs: Mapping[str, str]) -> dict[str, WrittenSlice]:
    """Return the table of each output id by asset; of an asset of an iteration, its slice."""
    found = {}
    for asset, output_id in inputs.items():
        table, _, version = output_id.rpartition("@")
        if table and version.isdecimal():
            iteration = iteration_number(asset)
            rows = {} if iteration is None else {"iteration": iteration}
            found[asset] = WrittenSlice(table, int(version), rows)
    return found
