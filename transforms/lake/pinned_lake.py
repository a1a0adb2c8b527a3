"""The lake as an asset sees it: its inputs at the versions that its record names.

While an asset is made, other runs may write slices of its input tables. What is recorded as read is
the output id of each upstream asset, `table@version`; this view reads exactly these versions.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable

from transforms.lake.asset_names import iteration_number
from transforms.lake.lake import Lake


class PinnedLake(Lake):
    """A lake with some tables at old versions.

    A table that is no input is read at its last version. So is a table from the first write to it
    on: the asset must find its own rows.
    """

    def __init__(self, root: Path | str, inputs: Mapping[str, str]) -> None:
        """Open the lake at `root`.

        Args:
            root: its folder.
            inputs: output id by upstream asset. Ids of models are ignored. Assets of several
                iterations may name versions of one table: each iteration's slice is read at its
                own version, and a scan of the whole table at the newest of them.
        """
        super().__init__(root)
        self._versions = _read_versions(inputs)

    @property
    def live(self) -> Lake:
        """Return the lake with all tables at their last versions."""
        return Lake(self.root)

    @property
    def pinned(self) -> dict[str, int]:
        """Return the version of each input table."""
        return {table: version for (table, of), version in self._versions.items() if of is None}

    def delta(self, table: str, version: int | None = None) -> DeltaTable:
        """Open a table, at the given, its recorded or its last version."""
        return super().delta(table, self._find(table) if version is None else version)

    def scan(self, table: str, version: int | None = None, /, **rows: str | int) -> pl.LazyFrame:
        """Scan a table, at the given, the slice's recorded, or the last version."""
        if version is None:
            version = self._find(table, rows.get("iteration"))
        return super().scan(table, version, **rows)

    @contextmanager
    def overwrite_frames(
        self, table: str, schema: pl.Schema, /, **rows: str | int
    ) -> Iterator[Callable[[pl.DataFrame], None]]:
        """Replace a slice frame by frame, as `Lake.overwrite_frames` does."""
        self._unpin(table)
        with super().overwrite_frames(table, schema, **rows) as write:
            yield write

    def delete(self, table: str, /, **rows: str | int) -> int:
        """Remove a slice in one commit; return the version."""
        self._unpin(table)
        return super().delete(table, **rows)

    def _write(self, table: str, *args: Any, **named: Any) -> int:
        self._unpin(table)
        return super()._write(table, *args, **named)

    def _find(self, table: str, iteration: str | int | None = None) -> int | None:
        whole = self._versions.get((table, None))
        return self._versions.get((table, iteration), whole)

    def _unpin(self, table: str) -> None:
        self._versions = {key: v for key, v in self._versions.items() if key[0] != table}


def _read_versions(inputs: Mapping[str, str]) -> dict[tuple[str, str | int | None], int]:
    """Return the version of each table's slice by table and iteration; None: of the whole table."""
    found: dict[tuple[str, str | int | None], int] = {}
    for asset, output_id in inputs.items():
        table, _, version = output_id.rpartition("@")
        if table and version.isdecimal():
            for key in {(table, iteration_number(asset)), (table, None)}:
                found[key] = max(int(version), found.get(key, 0))
    return found
