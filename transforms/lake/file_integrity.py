"""Damage to a table that Delta itself does not notice: files that are gone or cut short.

Lives here: finding it, before a reader trips over it (polars aborts a thread on a cut file). Not
here: repairing (`transforms.lake.maintenance`). A file's size is in the log since it was written.
"""

from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable

from transforms.errors import InputError


class Damaged(NamedTuple):
    """A file of a table that is not as the log says."""

    path: str
    """Below the table's folder."""
    expected_bytes: int
    found_bytes: int | None
    """None: the file is gone."""


def find_damaged_files(delta: DeltaTable, folder: Path) -> list[Damaged]:
    """Compare the files of a table's version with the sizes in its log.

    Args:
        delta: the table at a version.
        folder: where its files lie.
    """
    actions = pl.DataFrame(delta.get_add_actions()).select("path", "size_bytes")
    damaged = []
    for path, size in actions.iter_rows():
        try:
            found = (folder / unquote(path)).stat().st_size
        except FileNotFoundError:
            found = None
        if found != size:
            damaged.append(Damaged(path, size, found))
    return damaged


def require_whole(delta: DeltaTable, folder: Path, table: str) -> None:
    """Refuse a table of which a file is gone or cut short.

    Raises:
        InputError: naming the first such file, and the number of them.
    """
    damaged = find_damaged_files(delta, folder)
    if damaged:
        first = damaged[0]
        raise InputError(
            f"{len(damaged)} files of table {table} are damaged",
            expected=f"{first.expected_bytes} bytes in {first.path}",
            found="no such file" if first.found_bytes is None else f"{first.found_bytes} bytes",
            remedy="bring the file back from a copy; or give its rows up and have them made again:"
            " prefloop maintain --repair, then prefloop run",
        )
