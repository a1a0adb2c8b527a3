"""The table `costs`: seconds, rows, tokens and bytes of every materialization.

Not here: sums per stage (`sql/reports/stage_costs.sql`), costs of a planned run
(`transforms.lake.records.predicted_costs`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.lake.transaction_log import list_commits, read_commits

TABLE = "costs"


def list_last_commits(lake: Lake) -> dict[str, int]:
    """Return the number of the last commit of every table."""
    return {table: max(list_commits(lake.store, table)) for table in lake.tables()}


def record(
    lake: Lake,
    before: Mapping[str, int],
    *,
    asset: str,
    experiment: str,
    output_id: str,
    run_id: str,
    elapsed_s: float,
    metadata: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> None:
    """Append the costs of a materialization.

    Args:
        lake: the lake, directly after the asset's own work.
        before: `list_last_commits` directly before that work. Commits of other runs in the meantime
            count, too: Delta's commits do not record who wrote them.
        asset: the asset.
        experiment: its experiment.
        output_id: version of its table, or id of its checkpoint.
        run_id: run of the orchestrator.
        elapsed_s: seconds of the asset's own work.
        metadata: metadata of the asset; its keys `response_tokens`, `examples`, `optimiser_steps`,
            `dagster/row_count` and `rows_adopted` (copied, not made) are read.
        settings: settings of the asset.
    """
    row = {
        "asset": asset,
        "experiment": experiment,
        "output_id": output_id,
        "run_id": run_id,
        "elapsed_s": elapsed_s,
        "rows": count_processed_rows(metadata, settings),
        "tokens": metadata.get("response_tokens")
        or _read_trained_tokens(lake, asset, experiment, metadata),
        "bytes": _sum_bytes_since(lake, before)
        + sum(file.bytes for file in lake.store.list_files(f"checkpoints/{output_id}")),
        "created_at": datetime.now(UTC),
    }
    lake.append(TABLE, pl.DataFrame([row], schema=schema_of(TABLE)))


def read_costs(lake: Lake) -> pl.DataFrame:
    """Return the table; it has no rows if nothing was measured."""
    return lake.read_or_empty(TABLE)


def count_processed_rows(metadata: Mapping[str, Any], settings: Mapping[str, Any]) -> int | None:
    """Return the number of examples over all epochs, or of rows of an asset's table."""
    if "examples" not in metadata:
        rows = metadata.get("dagster/row_count")
        return rows and rows - metadata.get("rows_adopted", 0)
    stage = next(
        group for group in settings.values() if isinstance(group, dict) and "epochs" in group
    )
    return min(
        round(metadata["examples"] * stage["epochs"]),
        metadata["optimiser_steps"] * stage["batch_size"],
    )


def _read_trained_tokens(
    lake: Lake, asset: str, experiment: str, metadata: Mapping[str, Any]
) -> int | None:
    """Return the tokens of a training, which TRL logs; None if the asset is no training."""
    if "optimiser_steps" not in metadata:
        return None
    metrics = lake.scan("training_metrics", asset=asset, experiment=experiment)
    return (
        metrics.filter(metric="num_tokens")
        .select(pl.col("value").max().cast(pl.Int64))
        .collect()
        .item()
    )


def _sum_bytes_since(lake: Lake, before: Mapping[str, int]) -> int:
    """Return the size of the files that commits added since."""
    files = [
        file
        for table in lake.tables()
        for number, file in list_commits(lake.store, table).items()
        if number > before.get(table, -1)
    ]
    actions = (action for commit in read_commits(lake.store, files) for action in commit)
    return sum(action["add"]["size"] for action in actions if "add" in action)
