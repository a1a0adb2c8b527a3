"""What a run will take, by the rates that a lake has measured.

Lives here: frames in, frames out. Not here: sizes that follow from a recipe, measuring
(`transforms.lake.records.costs`).
"""

import polars as pl


def predict_costs(work: pl.DataFrame, costs: pl.DataFrame) -> pl.DataFrame:
    """Put what a lake has measured in the place of bounds, and add seconds.

    A stage that the lake has seen takes its seconds and tokens per row, and a table's bytes per
    row; an asset whose rows the lake does not count takes the mean of its materializations. The
    start of an engine is in these rates, so that a plan for far more rows than were measured is too
    high.

    Args:
        work: asset, experiment, rows, tokens, bytes, one row per asset and experiment; null where a
            size is not known.
        costs: the table of that name; without rows where nothing is measured.

    Returns:
        The columns of `work` and elapsed_s, null where the stage was not measured.
    """
    stage = pl.col("asset").str.extract(r"([^/]+)$")
    a_row = [
        (pl.col(name).filter(pl.col("rows") > 0).sum() / pl.col("rows").sum()).alias(
            f"{name}_a_row"
        )
        for name in ("elapsed_s", "tokens", "bytes")
    ]
    means = [pl.col(name).mean().alias(f"mean_{name}") for name in ("elapsed_s", "bytes")]
    is_model = ~pl.col("output_id").str.contains("@").any()
    rates = costs.group_by(stage=stage).agg(*a_row, *means, is_model=is_model)
    # a stage whose rows the lake has not counted has no rate per row, but NaN
    rates = rates.with_columns(pl.col("^.*_a_row$").fill_nan(None))
    joined = work.with_columns(stage=stage).join(
        rates, on="stage", how="left", maintain_order="left"
    )
    by_row = {
        name: pl.col("rows") * pl.col(f"{name}_a_row") for name in ("elapsed_s", "tokens", "bytes")
    }
    no_tokens = pl.col("tokens_a_row").is_null() | (pl.col("tokens_a_row") == 0)
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
    """Add what each asset's last materialization took, as `actual_*`; null where there is none."""
    last = costs.sort("created_at").unique(["asset", "experiment"], keep="last")
    actual = last.select(
        "asset", "experiment", pl.col("rows", "tokens", "bytes", "elapsed_s").name.prefix("actual_")
    )
    joined = predicted.join(actual, on=["asset", "experiment"], how="left", maintain_order="left")
    figures = [name for name in predicted.columns if name not in ("asset", "experiment")]
    return joined.select(
        "asset", "experiment", *(part for name in figures for part in (name, f"actual_{name}"))
    )
