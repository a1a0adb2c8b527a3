"""The table `checkpoints`: every model with its parent, reference, settings and inputs.

The name of a checkpoint's folder is a hash of its content. Two trainings with equal weights share
one folder, and no checkpoint overwrites another.
"""

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from transforms.errors import InputError
from transforms.lake.asset_names import slice_file_name
from transforms.lake.lake import Lake
from transforms.lake.records import materializations
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import ORDER, SHARED

TABLE = "checkpoints"


class Checkpoint(NamedTuple):
    """A model in the lake."""

    checkpoint_id: str
    path: Path


def workspace(lake: Lake, asset: str, experiment: str) -> Path:
    """Return the folder in which a training works until its checkpoint is recorded."""
    return lake.root / "checkpoints" / "in_progress" / slice_file_name(asset, experiment)


def claim_workspace(lake: Lake, **row: str) -> Path:
    """Return the folder in which a training works (`workspace`).

    A finished folder stays there until its row is recorded. If the row could not be written, the
    next run of the same training finds the folder; that of another training is removed here.

    Args:
        lake: the lake.
        row: asset, experiment, settings and inputs of the training.
    """
    folder = workspace(lake, row["asset"], row["experiment"])
    claim = folder.with_name(f"{folder.name}.json")
    if not claim.is_file() or json.loads(claim.read_text(encoding="utf-8")) != row:
        for finished in (folder, *folder.parent.glob(f"{folder.name}@*")):
            shutil.rmtree(finished, ignore_errors=True)
        claim.parent.mkdir(parents=True, exist_ok=True)
        unfinished = claim.with_name(f".{claim.name}")
        unfinished.write_text(json.dumps(row), encoding="utf-8")
        unfinished.rename(claim)
    return folder


def record(lake: Lake, folder: Path, **row: Any) -> Checkpoint:
    """Move a finished model folder to the folder of its id, and append its row.

    The folder is removed last, so a failure before that loses no model.

    Args:
        lake: the lake.
        folder: the finished folder, which is moved.
        row: the columns of `checkpoints` except `path`, `created_at` and `commit_version`.
    """
    target = lake.root / "checkpoints" / row["checkpoint_id"]
    linked, replaced = (target.with_name(f".{target.name}.{part}") for part in ("new", "replaced"))
    for unfinished in (linked, replaced):
        shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(folder, linked, copy_function=_link)
    if target.exists():  # with the same content by its name, but it may have been damaged since
        target.rename(replaced)
    linked.rename(target)
    shutil.rmtree(replaced, ignore_errors=True)
    row = {**row, "path": str(target.relative_to(lake.root)), "created_at": datetime.now(UTC)}
    lake.append(TABLE, pl.DataFrame([row], schema=schema_of(TABLE)))
    shutil.rmtree(folder)
    return Checkpoint(row["checkpoint_id"], target)


def _link(source: str, target: str) -> None:
    """Link a file, so that it takes no room twice; copy it where there are no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def find_unrecorded(lake: Lake, **row: str) -> Checkpoint | None:
    """Return the checkpoint of a step that stopped between its training and its record.

    Args:
        lake: the lake.
        row: asset, experiment, settings and inputs of the step.

    Returns:
        The asset's last checkpoint, if it has these settings and inputs and is not the output of
        the asset's last materialization; else None.
    """
    if not lake.exists(TABLE):
        return None
    rows = lake.read(TABLE, asset=row["asset"], experiment=row["experiment"])
    last = rows.sort(ORDER).tail(1).to_dicts()
    made = materializations.read_latest(lake).get((row["asset"], row["experiment"]))
    if not last or any(last[0][name] != value for name, value in row.items()):
        return None
    if made and made["output_id"] == last[0]["checkpoint_id"]:
        return None
    return Checkpoint(last[0]["checkpoint_id"], lake.locate(last[0]["path"]))


def find_checkpoints(lake: Lake, checkpoint_ids: set[str]) -> list[Checkpoint]:
    """Return the checkpoints with these ids; their folders may be damaged or missing."""
    if not lake.exists(TABLE):
        return []
    known = lake.read(TABLE).unique("checkpoint_id").sort("checkpoint_id")
    return [
        Checkpoint(checkpoint_id, lake.locate(path))
        for checkpoint_id, path in known.select("checkpoint_id", "path").iter_rows()
        if checkpoint_id in checkpoint_ids
    ]


def find_latest(lake: Lake, asset: str, experiment: str) -> Checkpoint:
    """Return the last checkpoint of an asset, of this experiment or shared by all.

    Raises:
        InputError: there is none, or its folder is missing.
    """
    return _require(lake, _read_rows(lake, asset, experiment), asset, experiment)


def find_recorded(lake: Lake, asset: str, experiment: str, checkpoint_id: str) -> Checkpoint:
    """Return the checkpoint of an asset that a record names as input.

    Args:
        lake: the lake.
        asset: the asset; with `@share`, the weights after a share of the training's steps.
        experiment: experiment of the reader.
        checkpoint_id: id of the training's last weights.

    Raises:
        InputError: there is none, or its folder is missing.
    """
    trained = asset.partition("@")[0]
    rows = _read_rows(lake, trained, experiment).filter(checkpoint_id=checkpoint_id)
    if asset != trained:  # the rows of a training's shares are directly before its last one
        kept = _read_rows(lake, asset, experiment)
        rows = kept.filter(pl.col(ORDER) < rows[ORDER].max())
    return _require(lake, rows, asset, experiment)


def _read_rows(lake: Lake, asset: str, experiment: str) -> pl.DataFrame:
    """Read the rows of an asset, of this experiment or shared by all, the newest one last."""
    rows = lake.scan(TABLE).filter(pl.col("asset") == asset)
    return rows.filter(pl.col("experiment").is_in([experiment, SHARED])).sort(ORDER).collect()


def _require(lake: Lake, rows: pl.DataFrame, asset: str, experiment: str) -> Checkpoint:
    rows = rows.tail(1)
    path = lake.locate(rows.item(0, "path")) if rows.height else None
    if path is None or not path.is_dir():
        raise InputError(
            f"model {asset} of experiment {experiment} is missing",
            expected=f"a checkpoint folder under {lake.root / 'checkpoints'}",
            found="no row in the table checkpoints" if path is None else f"no folder {path.name}",
            remedy=f"materialize {asset} again",
        )
    return Checkpoint(rows.item(0, "checkpoint_id"), path)
