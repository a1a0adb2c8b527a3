"""Predicted costs of a run: seconds, tokens and bytes by the measured rates of a lake.

Not here: the sizes that follow from a recipe (`assets.cli.plan`), the measurement
(`transforms.lake.records.costs`).
"""

import polars as pl

from transforms.lake.schemas.table import ORDER


def predict_costs(work: pl.DataFrame, costs: pl.DataFrame) -> pl.DataFrame:
    """Replace upper bounds by measured rates where the lake has them, and add seconds.

    A measured stage has rates per row: seconds, tokens and, for a table, bytes. An asset whose rows
    are not counted gets the mean of its materializations. The rates include the start of an engine;
    the prediction for many more rows than were measured is therefore too high.

    Args:
        work: asset, experiment, rows, tokens, bytes; one row per asset and experiment; null: the
            size is unknown.
        costs: rows of the table `costs`, possibly none.

    Returns:
        The columns of `work`, and elapsed_s; null: the stage was not measured.
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
    return joined.select(
        "asset",
        "experiment",
        "rows",
        tokens=pl.coalesce(pl.when(~no_tokens).then(by_row["tokens"]), "tokens").cast(pl.Int64),
        bytes=pl.coalesce(
            pl.when(~pl.col("is_model")).then(by_row["bytes"]), "bytes", "mean_bytes"
        ).cast(pl.Int64),
        elapsed_s=pl.coalesce(by_row["elapsed_s"], "mean_elapsed_s"),
    )


def add_actual_costs(predicted: pl.DataFrame, costs: pl.DataFrame) -> pl.DataFrame:
    """Add the costs of each asset's last materialization as `actual_*`; null: there is none."""
    last = costs.sort(ORDER).unique(["asset", "experiment"], keep="last")
    actual = last.select(
        "asset", "experiment", pl.col("rows", "tokens", "bytes", "elapsed_s").name.prefix("actual_")
    )
    joined = predicted.join(actual, on=["asset", "experiment"], how="left", maintain_order="left")
    figures = [name for name in predicted.columns if name not in ("asset", "experiment")]
    return joined.select(
        "asset", "experiment", *(part for name in figures for part in (name, f"actual_{name}"))
    )
