"""The table `materializations`: inputs, settings and output of every materialization.

It is in the lake and not in the orchestrator's history, so that a copy of the lake contains it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.pinned_lake import WrittenSlice
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import ORDER, SHARED

TABLE = "materializations"


def record(lake: Lake, **row: Any) -> None:
    """Append one materialization; `created_at` is added here."""
    row = {**row, "created_at": datetime.now(UTC)}
    lake.append(TABLE, pl.DataFrame([row], schema=schema_of(TABLE)))


def read_latest(lake: Lake) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the last materialization by asset and experiment."""
    rows = lake.read_or_empty(TABLE).sort(ORDER).unique(["asset", "experiment"], keep="last")
    return {(row["asset"], row["experiment"]): row for row in rows.iter_rows(named=True)}


def read_version(lake: Lake) -> int:
    """Return the version of the table; −1 if there is none. Later rows have a higher one."""
    return lake.version(TABLE) if lake.exists(TABLE) else -1


def find_equal_experiments(lake: Lake, asset: str, experiment: str, settings: str) -> list[str]:
    """Return the other experiments whose last materialization of an asset has the same settings."""
    return sorted(
        other
        for (made, other), row in read_latest(lake).items()
        if made == asset and other != experiment and row["settings"] == settings
    )


def find_newer(lake: Lake, since: int, **row: str) -> dict[str, Any] | None:
    """Return an asset's last materialization if it is newer than a plan and equal in inputs.

    Args:
        lake: the lake.
        since: `read_version` when the plan was made.
        row: asset, experiment, settings and inputs; the materialization must have the same.
    """
    last = read_latest(lake).get((row["asset"], row["experiment"]))
    if last is None or any(last[name] != value for name, value in row.items()):
        return None
    return last if last[ORDER] > since else None


def describe_written(slices: Iterable[WrittenSlice]) -> str:
    """Return the column `tables` for the slices that an asset wrote."""
    by_version: dict[str, list[Mapping[str, Any]]] = {}
    for one in slices:
        by_version.setdefault(f"{one.table}@{one.version}", []).append(one.slice)
    return json.dumps(by_version, sort_keys=True)


def find_written(
    lake: Lake, inputs: Mapping[str, str], experiment: str
) -> dict[str, list[WrittenSlice]]:
    """Return the slices that recorded assets wrote, by asset.

    Args:
        lake: the lake.
        inputs: output id by asset.
        experiment: experiment that read them; the assets are its own or shared.
    """
    rows = lake.read_or_empty(TABLE).sort(ORDER)
    rows = rows.filter(pl.col("experiment").is_in([experiment, SHARED]))
    made = {(row["asset"], row["output_id"]): row["tables"] for row in rows.to_dicts()}
    return {asset: read_written(made.get((asset, id_))) for asset, id_ in inputs.items()}


def read_written(tables: str | None) -> list[WrittenSlice]:
    """Return the slices in the column `tables` of a materialization."""
    found = []
    for output_id, slices in json.loads(tables or "{}").items():
        table, _, version = output_id.rpartition("@")
        found += [WrittenSlice(table, int(version), rows) for rows in slices]
    return found


def find_output_ids(lake: Lake, assets: Sequence[str], experiment: str) -> dict[str, str]:
    """Return the last output ids of assets, of this experiment or shared by all.

    Raises:
        InputError: an asset was never materialized.
    """
    made = read_latest(lake)
    found = {asset: made.get((asset, experiment)) or made.get((asset, SHARED)) for asset in assets}
    missing = [asset for asset, row in found.items() if row is None]
    if missing:
        raise InputError(
            f"an input of experiment {experiment} is missing",
            expected=f"{', '.join(missing)} materialized in {lake.root}",
            found="no row in the table materializations",
            remedy="materialize it first: prefloop run, or select it with its upstream in the page",
        )
    return {asset: row["output_id"] for asset, row in found.items() if row is not None}
