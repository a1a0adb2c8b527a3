"""The table `checkpoints`: every model, its parent, its reference, its settings, its inputs.

A checkpoint's folder is named by its content, so two trainings that end in the same weights share
one folder, and none ever overwrites another.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.records import materializations
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.columns import SHARED

TABLE = "checkpoints"


class Checkpoint(NamedTuple):
    """A model of the lake."""

    checkpoint_id: str
    path: Path


def workspace(lake: Lake, asset: str, experiment: str) -> Path:
    """Folder in which a training may work before its checkpoint has a name."""
    return lake.root / "checkpoints" / "in_progress" / f"{asset.replace('/', '__')}__{experiment}"


def record(lake: Lake, folder: Path, **row: Any) -> Checkpoint:
    """Move a finished model folder to its content-addressed place and append its row.

    Args:
        lake: the lake.
        folder: the finished folder, moved away.
        row: the columns of `checkpoints` but `path` and `created_at`.
    """
    target = lake.root / "checkpoints" / row["checkpoint_id"]
    if target.exists():
        # The same content, by its name; but what lies there may have been damaged since.
        replaced = target.with_name(f".{target.name}.replaced")
        shutil.rmtree(replaced, ignore_errors=True)
        target.rename(replaced)
        folder.rename(target)
        shutil.rmtree(replaced)
    else:
        folder.rename(target)
    row = {**row, "path": str(target.relative_to(lake.root)), "created_at": datetime.now(UTC)}
    lake.append(TABLE, pl.DataFrame([row], schema=schema_of(TABLE)))
    return Checkpoint(row["checkpoint_id"], target)


def find_unrecorded(lake: Lake, **row: str) -> Checkpoint | None:
    """Find the checkpoint of a step that died after its training and before it was recorded.

    Args:
        lake: the lake.
        row: asset, experiment, settings and inputs, as they are recorded.

    Returns:
        The asset's last checkpoint, if it is younger than the asset's last materialization and of
        this making.
    """
    if not lake.exists(TABLE):
        return None
    mine = {"asset": row["asset"], "experiment": row["experiment"]}
    last = lake.read(TABLE, **mine).sort("created_at").tail(1).to_dicts()
    made = materializations.read_latest(lake).get((row["asset"], row["experiment"]))
    if not last or any(last[0][name] != value for name, value in row.items()):
        return None
    if made and made["created_at"] > last[0]["created_at"]:
        return None
    return Checkpoint(last[0]["checkpoint_id"], lake.root / last[0]["path"])


def find_checkpoints(lake: Lake, checkpoint_ids: set[str]) -> list[Checkpoint]:
    """List those of some ids that are checkpoints; their folders may be damaged, or gone."""
    if not lake.exists(TABLE):
        return []
    known = lake.read(TABLE).unique("checkpoint_id").sort("checkpoint_id")
    return [
        Checkpoint(checkpoint_id, lake.root / path)
        for checkpoint_id, path in known.select("checkpoint_id", "path").iter_rows()
        if checkpoint_id in checkpoint_ids
    ]


def find_latest(lake: Lake, asset: str, experiment: str) -> Checkpoint:
    """Find the last checkpoint of an asset, for this experiment or for all.

    Raises:
        InputError: there is none, or its folder is gone.
    """
    rows = (
        lake.scan(TABLE)
        .filter(pl.col("asset") == asset, pl.col("experiment").is_in([experiment, SHARED]))
        .sort("created_at")
        .tail(1)
        .collect()
    )
    path = lake.root / rows.item(0, "path") if rows.height else None
    if path is None or not path.is_dir():
        raise InputError(
            f"model {asset} of experiment {experiment} is missing",
            expected=f"a checkpoint folder under {lake.root / 'checkpoints'}",
            found="no row in the table checkpoints" if path is None else f"no folder {path.name}",
            remedy=f"materialize {asset} again",
        )
    return Checkpoint(rows.item(0, "checkpoint_id"), path)
