"""The table `materializations`: what every asset read, with which settings, and what it made.

It lives in the lake and not in the orchestrator's history, so that it travels with the tables.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.columns import SHARED

TABLE = "materializations"


def record(lake: Lake, **row: Any) -> None:
    """Append one materialization; `created_at` is added here."""
    row = {**row, "created_at": datetime.now(UTC)}
    lake.append(TABLE, pl.DataFrame([row], schema=schema_of(TABLE)))


def read_latest(lake: Lake) -> dict[tuple[str, str], dict[str, Any]]:
    """Read the last materialization of every (asset, experiment)."""
    if not lake.exists(TABLE):
        return {}
    rows = lake.read(TABLE).sort("created_at").unique(["asset", "experiment"], keep="last")
    return {(row["asset"], row["experiment"]): row for row in rows.iter_rows(named=True)}


def find_equal_experiments(lake: Lake, asset: str, experiment: str, settings: str) -> list[str]:
    """List the other experiments that last made an asset with the same settings, sorted."""
    return sorted(
        other
        for (made, other), row in read_latest(lake).items()
        if made == asset and other != experiment and row["settings"] == settings
    )


def find_newer(lake: Lake, since: datetime, **row: str) -> dict[str, Any] | None:
    """Find an asset's last materialization if it is younger than a time and of the same making.

    Args:
        lake: the lake.
        since: the time, with a time zone.
        row: asset, experiment, settings and inputs, as they are recorded.
    """
    last = read_latest(lake).get((row["asset"], row["experiment"]))
    same = last is not None and all(last[name] == value for name, value in row.items())
    return last if same and last["created_at"] > since else None


def find_output_ids(lake: Lake, assets: Sequence[str], experiment: str) -> dict[str, str]:
    """Look up what upstream assets last made, for this experiment or for all.

    Raises:
        InputError: an upstream asset was never materialized.
    """
    made = read_latest(lake)
    found = {asset: made.get((asset, experiment)) or made.get((asset, SHARED)) for asset in assets}
    missing = [asset for asset, row in found.items() if row is None]
    if missing:
        raise InputError(
            f"upstream of experiment {experiment} is missing",
            expected=f"{', '.join(missing)} materialized in {lake.root}",
            found="no record of it in the table materializations",
            remedy="materialize it first: prefloop run, or select it with its upstream in the page",
        )
    return {asset: row["output_id"] for asset, row in found.items() if row is not None}
