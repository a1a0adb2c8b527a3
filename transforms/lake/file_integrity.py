"""Damaged files of a table: files that are missing or truncated, which Delta does not notice.

They are found before a reader fails on them (polars aborts a thread on a truncated file), by the
size that the log records for every file. Not here: repair (`transforms.lake.upkeep.maintenance`).
"""

from typing import NamedTuple
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable

from transforms.errors import InputError
from transforms.lake.store.store import Store


class Damaged(NamedTuple):
    """A file of a table whose size differs from the size in the log."""

    path: str
    """Path relative to the table's folder."""
    expected_bytes: int
    found_bytes: int | None
    """None: the file is missing."""


def find_damaged_files(delta: DeltaTable, store: Store, table: str) -> list[Damaged]:
    """Compare the files of a table's version with the sizes in its log.

    Args:
        delta: the table at a version.
        store: where the lake is.
        table: its name.
    """
    actions = pl.DataFrame(delta.get_add_actions()).select("path", "size_bytes")
    sizes = store.measure([f"tables/{table}/{unquote(path)}" for path in actions["path"]])
    return [
        Damaged(path, size, found)
        for (path, size), found in zip(actions.iter_rows(), sizes, strict=True)
        if found != size
    ]


def require_intact(delta: DeltaTable, store: Store, table: str) -> None:
    """Refuse a table with damaged files; in a store of whole files nothing is looked up.

    Raises:
        InputError: a file is missing or truncated; the error names the first and their number.
    """
    damaged = [] if store.whole_files else find_damaged_files(delta, store, table)
    if damaged:
        first = damaged[0]
        raise InputError(
            f"{len(damaged)} files of table {table} are damaged",
            expected=f"{first.expected_bytes} bytes in {first.path}",
            found="no such file" if first.found_bytes is None else f"{first.found_bytes} bytes",
            remedy="restore the file from a copy; or drop its rows and make them again: "
            "prefloop maintain --repair, then prefloop run",
        )
