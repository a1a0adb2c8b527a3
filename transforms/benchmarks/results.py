"""The table `benchmark_results`: means, errors and intervals over items, and warnings about them.

Not here: the scores (`training.benchmarks`), the bootstrap (`transforms.measures.bootstrap`),
failing checks (`sql/checks`).

The value is the mean over items, in per cent. Every item has the same weight, also over subsets of
different size (MMLU's published average). Errors and intervals come from a bootstrap that resamples
items, each with all its repeats. For the total of a clustered benchmark it resamples subsets, each
with all its items: questions about one subject are correlated, because a model that knows the
subject answers many of them. For one subset and one repeat the error is the binomial one,
sqrt(p (1 - p) / n).
"""

import polars as pl

from transforms.benchmarks.answer_table import TABLE as ANSWERS_TABLE
from transforms.identity import FIELD
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import ORDER, SHARED
from transforms.measures import bootstrap

TABLE = "benchmark_results"
ALL = "all"
"""Value of `subset` in figures over all items."""
MOST_CUT = 0.1
"""Largest share of a model's texts that may end at max_tokens without a warning."""

UNSCORED, CUT = "benchmark_items_are_scored", "few_benchmark_answers_are_cut"
WARNINGS = {
    UNSCORED: "Passes when every answer has a score. No figure includes an answer without one, "
    "such as a program that was not run (`run_code` is off).",
    CUT: f"Passes when at most {MOST_CUT:.0%} of a model's texts end at max_tokens. If more do, "
    "the limit may have changed the figures.",
}
"""Checks that only warn, with their descriptions."""

SUMMARY = {
    name: schema_of(TABLE)[name]
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
        "note",
    )
}
"""Columns of a benchmark's figures for one model."""


def summarise(answers: pl.DataFrame, *, clustered: bool = False) -> pl.DataFrame:
    """Average every metric over all items and over each subset.

    Args:
        answers: subset, item, repeat, scores; an answer that was not scored has no scores.
        clustered: whether the error over all items is clustered by subset.

    Returns:
        `SUMMARY`: all items first; if there are several subsets, each in alphabetical order;
        metrics in alphabetical order. Without any score, one row with metric `score` and value
        null.
    """
    subsets = answers["subset"].unique().sort().to_list()
    slices = [(ALL, answers, "subset" if clustered and len(subsets) > 1 else "item")]
    if len(subsets) > 1:
        slices += [(name, answers.filter(subset=name), "item") for name in subsets]
    return pl.concat(
        [_summarise_subset(name, rows, unit) for name, rows, unit in slices], how="vertical"
    )


def _summarise_subset(subset: str, answers: pl.DataFrame, unit: str) -> pl.DataFrame:
    items = answers.select("subset", "item").n_unique()
    long = (
        answers.select("subset", "item", "scores")
        .explode("scores")
        .unnest("scores")
        .drop_nulls("value")
    )
    rows = []
    for (metric,), group in long.group_by("metric", maintain_order=True):
        by_item = group.group_by("subset", "item", maintain_order=True).agg(pl.col("value").mean())
        key = (
            pl.col("subset")
            if unit == "subset"
            else pl.concat_str("subset", "item", separator=FIELD)
        )
        sums = by_item.group_by(prompt_id=key).agg(
            score=100 * pl.col("value").sum(), count=pl.len().cast(pl.Float64)
        )
        estimate = bootstrap.estimate_ratio(sums, "score", "count")
        rows.append(
            {
                "subset": subset,
                "metric": metric,
                "value": estimate.value,
                "standard_error": estimate.standard_error,
                "low": estimate.low,
                "high": estimate.high,
                "interval": f"95% BCa bootstrap over {unit}s",
                "items": by_item.height,
                "unscored_items": items - by_item.height,
            }
        )
    if not rows:
        rows = [{"subset": subset, "metric": "score", "items": 0, "unscored_items": items}]
    return pl.DataFrame(rows, schema=SUMMARY).sort("metric")


def drop_replaced(lake: Lake, experiment: str, benchmark: str) -> None:
    """Delete answers and results of checkpoints that a newer one has replaced.

    Otherwise the tables would contain rows of a policy that is no longer selected. Old versions of
    the tables stay readable. A judge's verdicts stay: they cost money, and count only with the
    results of their policy.
    """
    by_asset = lake.scan("checkpoints").sort(ORDER).group_by("asset", "experiment")
    newest = by_asset.agg(newest_id=pl.col("checkpoint_id").last()).collect()
    current = newest.filter(pl.col("experiment").is_in([experiment, SHARED])).select(
        model="asset", newest_id="newest_id"
    )
    for table in filter(lake.exists, (TABLE, ANSWERS_TABLE)):
        rows = lake.scan(table, experiment=experiment, benchmark=benchmark)
        found = rows.select("model", "policy_id").unique().collect()
        replaced = found.join(current, on="model").filter(
            pl.col("policy_id") != pl.col("newest_id")
        )
        for model in replaced["model"].unique().sort():
            lake.delete(table, experiment=experiment, benchmark=benchmark, model=model)


def record(lake: Lake, summary: pl.DataFrame, **constants: str | int | None) -> pl.DataFrame:
    """Replace a model's results on a benchmark; return the new rows.

    Args:
        lake: the lake.
        summary: `SUMMARY`.
        constants: the other columns of `benchmark_results`.
    """
    rows = summary.with_columns(
        pl.lit(value, schema_of(TABLE)[name]).alias(name) for name, value in constants.items()
    ).select(list(schema_of(TABLE)))
    slice_ = {name: str(constants[name]) for name in ("experiment", "model", "benchmark")}
    lake.overwrite(TABLE, rows, **slice_)
    return rows


def find_warnings(lake: Lake, experiment: str, benchmark: str) -> dict[str, str]:
    """Return the warnings about a benchmark's results, by check; only checks with a warning."""
    figures = lake.scan(TABLE, experiment=experiment, benchmark=benchmark).filter(
        pl.col("subset") == ALL, pl.col("unscored_items") > 0
    )
    answers = lake.scan(ANSWERS_TABLE, experiment=experiment, benchmark=benchmark)
    texts = answers.drop_nulls("finish_reason")
    shares = texts.group_by("model").agg(share=(pl.col("finish_reason") == "length").mean())
    unscored = figures.select("model", "unscored_items").unique().sort("model", "unscored_items")
    cut = shares.filter(pl.col("share") > MOST_CUT).sort("model")
    found = {
        UNSCORED: unscored.select(
            pl.format("{}: {} items have no score", "model", "unscored_items")
        ),
        CUT: cut.select(
            pl.format(
                "{}: {}% of the answers end at max_tokens",
                "model",
                (pl.col("share") * 100).round().cast(pl.Int64),
            )
        ),
    }
    warnings = {check: "; ".join(rows.collect().to_series()) for check, rows in found.items()}
    return {check: text for check, text in warnings.items() if text}
