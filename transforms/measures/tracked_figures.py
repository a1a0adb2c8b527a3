"""Figures of an experiment for a tracker: one point per iteration.

Not here: sending them (`training.runs.trackers`), their errors (`evaluation_results`).
"""

import polars as pl

Points = list[tuple[int, dict[str, float]]]
"""Iteration, and its figures by name."""


def list_points(results: pl.DataFrame) -> Points:
    """List the figures of the evaluation prompts, in the order of the iterations.

    Args:
        results: rows of `evaluation_results` of one experiment. The names of the figures are
            `<decoding>/<metric>`, and for a comparison `<decoding>/<metric>/<baseline>`.
    """
    names = pl.concat_str("decoding", "metric", "versus", separator="/", ignore_nulls=True)
    rows = (
        results.filter(pl.col("split") == "evaluation", pl.col("value").is_finite())
        .select("iteration", "value", name=names)
        .sort("iteration", "name")
    )
    return [
        (int(iteration), dict(points.select("name", "value").iter_rows()))
        for (iteration,), points in rows.group_by("iteration", maintain_order=True)
    ]
