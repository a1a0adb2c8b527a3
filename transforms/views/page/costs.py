"""What making the lake cost, stage by stage."""

import polars as pl

from transforms.views.page.blocks import Block, Section
from transforms.views.page.cells import table
from transforms.views.page.opened_lake import Source

TOTALS = {"elapsed_s": "time", "tokens": "tokens", "bytes": "written"}


def cost(source: Source) -> Section:
    """Show seconds, tokens and bytes by stage and by experiment."""
    rows = source.report("costs")
    blocks: list[Block] = []
    if rows.height:
        blocks = [
            table(
                _summed(rows, "stage"),
                "By stage, over all experiments and iterations.",
                titles=TOTALS,
                units={"bytes": "MB"},
            ),
            table(
                _summed(rows, "experiment"),
                "By experiment; “shared” is what all experiments use.",
                titles=TOTALS,
                units={"bytes": "MB"},
            ),
            table(
                _megabytes(rows),
                "By experiment, iteration and stage. Iteration 0 is what lies outside the loop.",
                titles={**TOTALS, "tokens_per_s": "speed"},
                units={"bytes": "MB"},
                folded=True,
            ),
        ]
    return Section(
        "cost",
        "Cost",
        "Seconds of the stages' own work, tokens sampled or trained on, and what was written to "
        "the lake, checkpoints included; only of steps that finished.",
        blocks,
        absent="No cost was recorded.",
    )


def _summed(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    summed = rows.group_by(by, maintain_order=True).agg(
        pl.sum("materializations", "elapsed_s", "share"),
        # a sum of nulls is null: no tokens were counted
        pl.when(pl.col("tokens").count() > 0).then(pl.sum("tokens")).alias("tokens"),
        pl.sum("bytes"),
    )
    return _megabytes(summed.sort("elapsed_s", by, descending=[True, False]))


def _megabytes(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("bytes") / 1e6)
