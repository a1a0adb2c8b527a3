"""Rows of a training run: its metrics, and the examples that it could not use."""

import polars as pl

from transforms.lake.lake import Lake


def in_slice(metrics: pl.DataFrame, *, asset: str, experiment: str, iteration: int) -> pl.DataFrame:
    """Add an asset's keys to a run's metrics (step, epoch, metric, value)."""
    return metrics.with_columns(
        asset=pl.lit(asset),
        experiment=pl.lit(experiment),
        iteration=pl.lit(iteration, dtype=pl.Int32),
    )


def last_step(metrics: pl.DataFrame) -> pl.DataFrame:
    """Keep the last value of every metric, sorted by name."""
    return (
        metrics.sort("step")
        .group_by("metric", maintain_order=True)
        .agg(pl.col("step").last(), pl.col("value").last())
        .sort("metric")
    )


def record_dropped(lake: Lake, dropped: pl.DataFrame, *, asset: str, experiment: str) -> int:
    """Write the examples that a training left out (row_key, reason, evidence) to the ledger."""
    table = f"{asset} [{experiment}]"
    rows = dropped.with_columns(table=pl.lit(table), source=pl.lit(asset))
    return lake.overwrite("dropped_rows", rows, table=table)
