"""Scores of a benchmark's items to rows of `benchmark_results`: means, errors, intervals.

Lives here: statistics over items. Not here: the scores (`training.benchmarks`), the bootstrap
(`transforms.measures.bootstrap`).

The value is the mean over items, in per cent: every item counts once, also over subsets of
different size (MMLU's published average). Errors and intervals are of a bootstrap that draws items,
all repeats of an item together; over all subsets of a clustered benchmark it draws subsets, each
with its items: the questions of a subject are alike, and a model that knows a subject knows many.
For one subset and one repeat the error is the binomial one, sqrt(p (1 - p) / n).
"""

import polars as pl

from transforms.benchmarks.answer_table import TABLE as ANSWERS_TABLE
from transforms.identity import FIELD
from transforms.lake.lake import Lake
from transforms.lake.schemas import SCHEMAS
from transforms.lake.schemas.columns import SHARED
from transforms.measures import bootstrap

TABLE = "benchmark_results"
VERDICTS_TABLE = "benchmark_verdicts"
ALL = "all"
"""`subset` of the figures over all items."""

SUMMARY = {
    name: SCHEMAS[TABLE][name]
    for name in (
        "subset",
        "metric",
        "value",
        "standard_error",
        "low",
        "high",
        "interval",
        "items",
        "unscored_items",
    )
}
"""Columns of a benchmark's figures for one model."""


def summarise(answers: pl.DataFrame, *, clustered: bool = False) -> pl.DataFrame:
    """Average every metric over all items and over each subset's.

    Args:
        answers: subset, item, repeat, scores; a row without scores was answered and not scored.
        clustered: whether the error over all items is clustered by subset.

    Returns:
        `SUMMARY`: all items first, then subsets in alphabetical order where there are several;
        metrics in alphabetical order. Without any score, one row of metric `score` whose value is
        null.
    """
    subsets = answers["subset"].unique().sort().to_list()
    slices = [(ALL, answers, "subset" if clustered and len(subsets) > 1 else "item")]
    if len(subsets) > 1:
        slices += [(name, answers.filter(subset=name), "item") for name in subsets]
    return pl.concat(
        [_summarise_subset(name, rows, drawn) for name, rows, drawn in slices], how="vertical"
    )


def _summarise_subset(subset: str, answers: pl.DataFrame, drawn: str) -> pl.DataFrame:
    items = answers.select("subset", "item").n_unique()
    long = (
        answers.select("subset", "item", "scores")
        .explode("scores")
        .unnest("scores")
        .drop_nulls("value")
    )
    rows = []
    for (metric,), group in long.group_by("metric", maintain_order=True):
        by_item = group.group_by("subset", "item").agg(pl.col("value").mean())
        unit = (
            pl.col("subset")
            if drawn == "subset"
            else pl.concat_str("subset", "item", separator=FIELD)
        )
        sums = by_item.group_by(prompt_id=unit).agg(
            score=100 * pl.col("value").sum(), count=pl.len().cast(pl.Float64)
        )
        estimate = bootstrap.ratio(sums, "score", "count")
        rows.append(
            {
                "subset": subset,
                "metric": metric,
                "value": estimate.value,
                "standard_error": estimate.standard_error,
                "low": estimate.low,
                "high": estimate.high,
                "interval": f"95% BCa bootstrap over {drawn}s",
                "items": by_item.height,
                "unscored_items": items - by_item.height,
            }
        )
    if not rows:
        rows = [{"subset": subset, "metric": "score", "items": 0, "unscored_items": items}]
    return pl.DataFrame(rows, schema=SUMMARY).sort("metric")


def drop_replaced(lake: Lake, experiment: str, benchmark: str) -> None:
    """Remove what is of an experiment's checkpoints that a newer one has replaced.

    They would stand beside those of today, such as an iterate's that is no longer selected. Old
    versions stay readable.
    """
    made = lake.scan("checkpoints").sort("created_at").group_by("asset", "experiment")
    newest = made.agg(newest_id=pl.col("checkpoint_id").last()).collect()
    current = newest.filter(pl.col("experiment").is_in([experiment, SHARED])).select(
        model="asset", newest_id="newest_id"
    )
    for table in filter(lake.exists, (TABLE, ANSWERS_TABLE, VERDICTS_TABLE)):
        rows = lake.scan(table, experiment=experiment, benchmark=benchmark)
        found = rows.select("model", "policy_id").unique().collect()
        replaced = found.join(current, on="model").filter(
            pl.col("policy_id") != pl.col("newest_id")
        )
        for model in replaced["model"].unique().sort():
            lake.delete(table, experiment=experiment, benchmark=benchmark, model=model)


def record(lake: Lake, summary: pl.DataFrame, **constants: str | int | None) -> pl.DataFrame:
    """Replace a model's figures of a benchmark; return the rows.

    Args:
        lake: the lake.
        summary: `SUMMARY`.
        constants: the other columns of `benchmark_results`.
    """
    rows = summary.with_columns(
        pl.lit(value, SCHEMAS[TABLE][name]).alias(name) for name, value in constants.items()
    ).select(list(SCHEMAS[TABLE]))
    slice_ = {name: constants[name] for name in ("experiment", "model", "benchmark")}
    lake.overwrite(TABLE, rows, **slice_)
    return rows
