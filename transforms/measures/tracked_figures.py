"""Figures of an experiment for trackers and Dagster's plots: one point per iteration.

Not here: sending them (`training.runs.trackers`), their errors (`evaluation_results`).
"""

import polars as pl

Points = list[tuple[int, dict[str, float]]]
"""Iteration, and its figures by name."""

PLOTTED = ("gold_reward", "reward", "response_chars", "kl_to_initial")
"""Metrics that Dagster's page of an evaluation plots over its materializations."""


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


def select_last_figures(results: pl.DataFrame) -> dict[str, float]:
    """Return the figures of the last iteration, `<decoding>/<metric>`, of the metrics `PLOTTED`.

    Args:
        results: rows of `evaluation_results` of one experiment.
    """
    own = results.filter(pl.col("versus").is_null(), pl.col("metric").is_in(PLOTTED))
    points = list_points(own)
    return points[-1][1] if points else {}
