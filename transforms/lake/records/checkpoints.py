"""The table `checkpoints`: every model with its parent, reference, settings and inputs.

The name of a checkpoint's folder is a hash of its content. Two trainings with equal weights share
one folder, and no checkpoint overwrites another.
"""

import json
import shutil
from collections.abc import Collection, Mapping
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
    return lake.store.work / "checkpoints" / "in_progress" / slice_file_name(asset, experiment)


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
    """Move a finished model folder to the place of its id, and append its row.

    The folder is removed last, so a failure before that loses no model.

    Args:
        lake: the lake.
        folder: the finished folder, which is moved.
        row: the columns of `checkpoints` except `path`, `created_at` and `commit_version`.
    """
    path = f"checkpoints/{row['checkpoint_id']}"
    lake.store.prepare()
    place = lake.store.add_model(folder, path)
    row = {**row, "path": path, "created_at": datetime.now(UTC)}
    lake.append(TABLE, pl.DataFrame([row], schema=schema_of(TABLE)))
    shutil.rmtree(folder)
    return Checkpoint(row["checkpoint_id"], place)


def find_unrecorded(lake: Lake, **row: str) -> dict[str, Any] | None:
    """Return the row of a checkpoint whose step stopped between its training and its record.

    Args:
        lake: the lake.
        row: asset, experiment, settings and inputs of the step.

    Returns:
        The asset's last row, if it has these settings and inputs and is not the output of
        the asset's last materialization; else None.
    """
    rows = lake.read_or_empty(TABLE, asset=row["asset"], experiment=row["experiment"])
    last = rows.sort(ORDER).tail(1).to_dicts()
    made = materializations.read_latest(lake).get((row["asset"], row["experiment"]))
    if not last or any(last[0][name] != value for name, value in row.items()):
        return None
    if made and made["output_id"] == last[0]["checkpoint_id"]:
        return None
    return last[0]


def fetch(lake: Lake, row: Mapping[str, Any]) -> Checkpoint:
    """Return the model of a row on this machine.

    Raises:
        InputError: it is missing.
    """
    place = lake.store.fetch_model(lake.locate(row["path"]))
    if place is None:
        found = f"no folder {row['checkpoint_id']}"
        raise _make_missing(lake, row["asset"], row["experiment"], found)
    return Checkpoint(row["checkpoint_id"], place)


def read_file(lake: Lake, path: str, name: str) -> dict[str, Any] | None:
    """Read a JSON file of a model without fetching the model; None: it has no such file.

    Args:
        lake: the lake.
        path: the model's path, from the table.
        name: of the file.
    """
    try:
        [text] = lake.store.read([f"{lake.locate(path)}/{name}"])
    except FileNotFoundError:
        return None
    return dict(json.loads(text))


def find_rows(lake: Lake, checkpoint_ids: Collection[str]) -> list[dict[str, Any]]:
    """Return one row per checkpoint with one of these ids, sorted by id."""
    known = lake.read_or_empty(TABLE).filter(pl.col("checkpoint_id").is_in(list(checkpoint_ids)))
    return known.unique("checkpoint_id").sort("checkpoint_id").to_dicts()


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
    if rows.is_empty():
        raise _make_missing(lake, asset, experiment, "no row in the table checkpoints")
    return fetch(lake, rows.row(-1, named=True))


def _make_missing(lake: Lake, asset: str, experiment: str, found: str) -> InputError:
    return InputError(
        f"model {asset} of experiment {experiment} is missing",
        expected=f"a checkpoint folder under {lake.store.address('checkpoints')}",
        found=found,
        remedy=f"materialize {asset} again",
    )
