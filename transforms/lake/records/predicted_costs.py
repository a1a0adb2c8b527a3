"""Predicted costs of a run: seconds, tokens and bytes by the measured rates of a lake.

Not here: the sizes that follow from a recipe (`training.planning`), the measurement
(`transforms.lake.records.costs`).
"""

import polars as pl

from transforms.lake.schemas.table import ORDER


def predict_costs(work: pl.DataFrame, costs: pl.DataFrame) -> pl.DataFrame:
    """Replace predictions by measured rates where the lake has them.

    A measured stage has rates per row: seconds, tokens and, for a table, bytes. An asset whose rows
    are not counted gets the mean of its materializations. The rates include the start of an engine;
    the prediction for many more rows than were measured is therefore too high.

    Args:
        work: asset, experiment, rows, tokens, bytes, gpus, elapsed_s, gpu_s, origin, and others;
            one row per asset and experiment; null: unknown.
        costs: rows of the table `costs`, possibly none.

    Returns:
        The columns of `work`, and time_origin: `measured`, `assumed`, or null without seconds.
        `origin` of measured tokens is `measured`.
    """
    stage = pl.col("asset").str.extract(r"([^/]+)$")
    per_row = [
        (pl.col(name).filter(pl.col("rows") > 0).sum() / pl.col("rows").sum()).alias(
            f"{name}_per_row"
        )
        for name in ("elapsed_s", "tokens", "bytes")
    ]
    means = [pl.col(name).mean().alias(f"mean_{name}") for name in ("elapsed_s", "bytes")]
    is_model = ~pl.col("output_id").str.contains("@").any()
    rates = costs.group_by(stage=stage).agg(*per_row, *means, is_model=is_model)
    # without counted rows, a rate per row is NaN
    rates = rates.with_columns(pl.col("^.*_per_row$").fill_nan(None))
    joined = work.with_columns(stage=stage).join(
        rates, on="stage", how="left", maintain_order="left"
    )
    by_row = {
        name: pl.col("rows") * pl.col(f"{name}_per_row")
        for name in ("elapsed_s", "tokens", "bytes")
    }
    no_tokens = pl.col("tokens_per_row").is_null() | (pl.col("tokens_per_row") == 0)
    tokens = pl.when(~no_tokens).then(by_row["tokens"])
    elapsed_s = pl.coalesce(by_row["elapsed_s"], "mean_elapsed_s")
    return joined.with_columns(
        tokens=pl.coalesce(tokens, "tokens").cast(pl.Int64),
        bytes=pl.coalesce(
            pl.when(~pl.col("is_model")).then(by_row["bytes"]), "bytes", "mean_bytes"
        ).cast(pl.Int64),
        elapsed_s=pl.coalesce(elapsed_s, "elapsed_s"),
        gpu_s=pl.coalesce(elapsed_s * pl.col("gpus"), "gpu_s"),
        origin=pl.when(tokens.is_not_null()).then(pl.lit("measured")).otherwise("origin"),
        time_origin=pl.when(elapsed_s.is_not_null())
        .then(pl.lit("measured"))
        .when(pl.col("elapsed_s").is_not_null())
        .then(pl.lit("assumed")),
    ).select(*work.columns, "time_origin")


def add_actual_costs(predicted: pl.DataFrame, costs: pl.DataFrame) -> pl.DataFrame:
    """Compare with the costs of each asset's last materialization, `actual_*`; null: there is none.

    Returns:
        asset, experiment, and rows, tokens, bytes, elapsed_s, each beside its actual one.
    """
    last = costs.sort(ORDER).unique(["asset", "experiment"], keep="last")
    figures = ("rows", "tokens", "bytes", "elapsed_s")
    actual = last.select("asset", "experiment", pl.col(figures).name.prefix("actual_"))
    joined = predicted.join(actual, on=["asset", "experiment"], how="left", maintain_order="left")
    return joined.select(
        "asset", "experiment", *(part for name in figures for part in (name, f"actual_{name}"))
    )
