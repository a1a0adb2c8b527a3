"""The table `benchmark_results`: means, errors and intervals over items, and warnings about them.

Not here: the scores (`training.benchmarks`), the bootstrap (`transforms.measures.bootstrap`), what
makes figures wrong (`sql/checks`).

The value is the mean over items, in per cent: every item counts once, also over subsets of
different size (MMLU's published average). Errors and intervals are of a bootstrap that draws items,
all repeats of an item together; over all subsets of a clustered benchmark it draws subsets, each
with its items: the questions of a subject are alike, and a model that knows a subject knows many.
For one subset and one repeat the error is the binomial one, sqrt(p (1 - p) / n).
"""

import polars as pl

from transforms.benchmarks.answer_table import TABLE as ANSWERS_TABLE
from transforms.benchmarks.judged.verdict_table import TABLE as VERDICTS_TABLE
from transforms.identity import FIELD
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.columns import SHARED
from transforms.measures import bootstrap

TABLE = "benchmark_results"
ALL = "all"
"""`subset` of the figures over all items."""
MOST_CUT = 0.1
"""Share of a model's texts that may end at the limit of tokens without a warning."""

UNSCORED, CUT = "benchmark_items_are_scored", "few_benchmark_answers_are_cut"
WARNINGS = {
    UNSCORED: "Warns where answers have no score, such as programs that were not run "
    "(`run_code` is off): no figure includes them.",
    CUT: f"Warns where more than {MOST_CUT:.0%} of a model's texts end at max_tokens: the limit "
    "may decide the figure.",
}
"""Checks that warn, each with its description."""

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
        estimate = bootstrap.estimate_ratio(sums, "score", "count")
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
    """Remove the rows of an experiment's checkpoints that a newer one has replaced.

    Otherwise an iterate that is no longer selected would remain beside the selected one. Old
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
        pl.lit(value, schema_of(TABLE)[name]).alias(name) for name, value in constants.items()
    ).select(list(schema_of(TABLE)))
    slice_ = {name: constants[name] for name in ("experiment", "model", "benchmark")}
    lake.overwrite(TABLE, rows, **slice_)
    return rows


def warnings(lake: Lake, experiment: str, benchmark: str) -> dict[str, str]:
    """Return the warnings about a benchmark's figures, by check; without a warning no entry."""
    slice_ = {"experiment": experiment, "benchmark": benchmark}
    figures = lake.scan(TABLE, **slice_).filter(
        pl.col("subset") == ALL, pl.col("unscored_items") > 0
    )
    texts = lake.scan(ANSWERS_TABLE, **slice_).drop_nulls("finish_reason")
    shares = texts.group_by("model").agg(share=(pl.col("finish_reason") == "length").mean())
    unscored = figures.select("model", "unscored_items").unique().sort("model").collect()
    cut = shares.filter(pl.col("share") > MOST_CUT).sort("model").collect()
    found = {
        UNSCORED: [f"{model}: {items} items" for model, items in unscored.iter_rows()],
        CUT: [f"{model}: {share:.0%} of the texts" for model, share in cut.iter_rows()],
    }
    return {check: "; ".join(lines) for check, lines in found.items() if lines}
