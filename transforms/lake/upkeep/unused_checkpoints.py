"""Checkpoints that nothing refers to any more, and the removal of their folders.

A checkpoint is in use if one of these names it:
- the last row of an asset and experiment in `checkpoints`, with the shares `<asset>@<share>`;
- the output or an input of the last materialization of an asset and experiment;
- a promotion, because the current policy may be an old one;
- parent or reference of a checkpoint in use.

What was last within the retention counts as last. Rows of `checkpoints` are never removed. Not
here: files of tables (`transforms.lake.upkeep.maintenance`).
"""

import json
from datetime import UTC, datetime, timedelta

import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.locks import lock_all_slices
from transforms.lake.records import checkpoints, materializations, promotions
from transforms.lake.schemas.table import CREATED_AT, ORDER

UNUSED = {
    "checkpoint_id": pl.String,
    "asset": pl.String,
    "experiment": pl.String,
    "created_at": CREATED_AT.dtype,
    "bytes": pl.Int64,
}
"""Columns of the result, one row per folder; a folder that a killed run left has no asset."""

SLICE = ("asset", "experiment")


def remove_unused_checkpoints(lake: Lake, *, retention_hours: int, dry_run: bool) -> pl.DataFrame:
    """Remove the folders of checkpoints that nothing refers to.

    Args:
        lake: the lake; no run may be active in it.
        retention_hours: keep what was in use less than this many hours ago.
        dry_run: change nothing.

    Returns:
        One row per folder that is removed or, in a dry run, would be (`UNUSED`), oldest first.

    Raises:
        InputError: a run is active.
    """
    with lock_all_slices(lake):
        unused = _list_unused(lake, timedelta(hours=retention_hours))
        if not dry_run:
            for name in unused["checkpoint_id"]:
                lake.store.remove(f"checkpoints/{name}")
    return unused


def find_used(lake: Lake, retention: timedelta) -> set[str]:
    """Return the ids of the checkpoints in use."""
    made = _read_last(lake, materializations.TABLE, retention)
    inputs = [id_ for text in made["inputs"] for id_ in json.loads(text or "{}").values()]
    named = [
        *_read_last(lake, checkpoints.TABLE, retention)["checkpoint_id"],
        *made["output_id"],
        *inputs,
        *promotions.read_decisions(lake).filter("promoted")["policy_id"],
    ]
    models = lake.read(checkpoints.TABLE)
    used, due = set[str](), set(named)
    while due:
        used |= due
        rows = models.filter(pl.col("checkpoint_id").is_in(list(due)))
        due = {*rows["parent_id"], *rows["reference_id"]} - used
    return used


def _read_last(lake: Lake, table: str, retention: timedelta) -> pl.DataFrame:
    """Read the rows that no newer row of the same slice had replaced before the retention."""
    rows = lake.read(table).sort(ORDER)
    replaced_at = pl.col("created_at").shift(-1).over(SLICE)
    return rows.filter(replaced_at.is_null() | (replaced_at > datetime.now(UTC) - retention))


def _list_unused(lake: Lake, retention: timedelta) -> pl.DataFrame:
    empty = pl.DataFrame(schema=UNUSED)
    if not lake.exists(checkpoints.TABLE) or not lake.exists(materializations.TABLE):
        return empty
    used = find_used(lake, retention)
    in_progress = checkpoints.workspace(lake, *SLICE).parent.name
    folders = [
        folder
        for folder in lake.store.describe_folders("checkpoints")
        if folder.name != in_progress and folder.name not in used
    ]
    known = lake.read(checkpoints.TABLE).sort(ORDER).unique("checkpoint_id", keep="last")
    found = pl.DataFrame(
        {
            "checkpoint_id": [folder.name for folder in folders],
            "bytes": [folder.bytes for folder in folders],
        },
        schema={name: UNUSED[name] for name in ("checkpoint_id", "bytes")},
    ).join(known, on="checkpoint_id", how="left")
    newest = datetime.now(UTC) - retention
    left = [folder.name for folder in folders if folder.modified_at > newest]
    young = pl.col("asset").is_null() & pl.col("checkpoint_id").is_in(left)
    return found.filter(~young).select(list(UNUSED)).sort("created_at", "checkpoint_id")
