"""What to look at twice in a benchmark's figures: they stand, and may not say what they seem to.

Not here: what makes figures wrong (`sql/checks`).
"""

import polars as pl

from transforms.benchmarks import answer_table, results
from transforms.lake.lake import Lake

MOST_CUT = 0.1
"""Share of a model's texts that may end at the limit of tokens."""

UNSCORED, CUT = "benchmark_items_are_scored", "few_benchmark_answers_are_cut"
WATCHED = {
    UNSCORED: "Warns where answers have no score, such as programs that were not run "
    "(`run_code` is off): they are in no figure.",
    CUT: f"Warns where more than {MOST_CUT:.0%} of a model's texts end at max_tokens: what is "
    "measured then may be the limit.",
}
"""Checks that warn, and what each looks at."""


def doubts(lake: Lake, experiment: str, benchmark: str) -> dict[str, str]:
    """Say what is to be looked at twice, by check; a check without doubts has no entry."""
    slice_ = {"experiment": experiment, "benchmark": benchmark}
    figures = lake.scan(results.TABLE, **slice_).filter(
        pl.col("subset") == results.ALL, pl.col("unscored_items") > 0
    )
    texts = lake.scan(answer_table.TABLE, **slice_).drop_nulls("finish_reason")
    shares = texts.group_by("model").agg(share=(pl.col("finish_reason") == "length").mean())
    unscored = figures.select("model", "unscored_items").unique().sort("model").collect()
    cut = shares.filter(pl.col("share") > MOST_CUT).sort("model").collect()
    said = {
        UNSCORED: [f"{model}: {items} items" for model, items in unscored.iter_rows()],
        CUT: [f"{model}: {share:.0%} of the texts" for model, share in cut.iter_rows()],
    }
    return {check: "; ".join(lines) for check, lines in said.items() if lines}
