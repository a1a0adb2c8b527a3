"""Scores of sections: weighted means of the accuracies of their subsets.

Not here: the result of a pair (`transforms.benchmarks.reward_bench.results`), sections and weights
(`transforms.public_sets`), the table (`sql/reports/reward_bench.sql`).
"""

import polars as pl

from transforms.public_sets.benchmark_set import Sections, Weights
from transforms.public_sets.reward_bench import REFERENCE_WEIGHTS, SECTIONS


def score_sections(
    accuracies: pl.DataFrame, sections: Sections = SECTIONS, weights: Weights = REFERENCE_WEIGHTS
) -> pl.DataFrame:
    """Compute the weighted mean over the subsets of each section.

    Args:
        accuracies: subset, accuracy (share), and pairs if `weights` is empty.
        sections: subsets of each section.
        weights: weight of each subset, or empty.

    Returns:
        section, value, missing; in the order of `sections`. `value` is 100 times the weighted mean,
        rounded to two decimals as in the reference implementation. `missing` lists the subsets
        without an accuracy; if there are any, `value` is null, because a mean over the others would
        be a different figure.
    """
    parts = _list_subsets(sections, weights).join(
        accuracies, on="subset", how="left", maintain_order="left"
    )
    if not weights:
        parts = parts.with_columns(weight=pl.col("pairs").cast(pl.Float64))
    absent = pl.col("accuracy").is_null()
    mean = (pl.col("accuracy") * pl.col("weight")).sum() / pl.col("weight").sum()
    return parts.group_by("section", maintain_order=True).agg(
        value=pl.when(~absent.any()).then((100 * mean).round(2)),
        missing=pl.col("subset").filter(absent).str.join(", "),
    )


def _list_subsets(sections: Sections, weights: Weights) -> pl.DataFrame:
    rows = [
        (section, subset, weights.get(subset))
        for section, subsets in sections.items()
        for subset in subsets
    ]
    schema = {"section": pl.String, "subset": pl.String, "weight": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")
