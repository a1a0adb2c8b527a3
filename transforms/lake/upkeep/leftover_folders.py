"""Folders of temporary files that killed runs have left, and their removal."""

import shutil

import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.locks import lock_all_slices
from transforms.lake.work_folders import list_work_folders

LEFTOVERS = {"folder": pl.String, "bytes": pl.Int64}
"""Columns of the result, one row per folder."""


def remove_leftover_folders(lake: Lake, *, dry_run: bool) -> pl.DataFrame:
    """Remove the folders that killed runs have left on this machine.

    The folders are listed before the locks are taken: whoever made one of them had a lock then, so
    it has ended when all locks are free. A run that starts meanwhile makes folders of its own.

    Args:
        lake: the lake; no run may be active in it.
        dry_run: change nothing.

    Returns:
        One row per folder that is removed or, in a dry run, would be (`LEFTOVERS`).

    Raises:
        InputError: a run is active.
    """
    folders = list_work_folders(lake.store.work)
    with lock_all_slices(lake):
        left = [folder for folder in folders if folder.is_dir()]
        sizes = [
            sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            for folder in left
        ]
        if not dry_run:
            for folder in left:
                shutil.rmtree(folder)
    return pl.DataFrame(
        {"folder": [folder.name for folder in left], "bytes": sizes}, schema=LEFTOVERS
    )
