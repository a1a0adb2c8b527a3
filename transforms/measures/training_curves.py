"""Loss, accuracy and margin of trainings, by whatever names the trainers log them.

Not here: their figures (`transforms.views.plots.training`).
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import polars as pl

from transforms.lake.schemas.table import SHARED

CURVES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "loss": ("loss",),
        "accuracy": ("accuracy", "rewards/accuracies", "mean_token_accuracy"),
        "margin": ("margin", "rewards/margins"),
    }
)
"""What every training is judged by first, and its names in the logs of the trainers."""


def name_curves(metrics: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows of loss, accuracy and margin; the column `curve` has these names.

    Of several names that a training logs for one curve, the first one counts: DPO also logs the
    accuracy of tokens.
    """
    titles = {name: title for title, logged in CURVES.items() for name in logged}
    places = {name: place for place, name in enumerate(titles)}
    metric = pl.col("metric")
    named = metrics.with_columns(
        curve=metric.replace_strict(titles, default=None, return_dtype=pl.String),
        place=metric.replace_strict(places, default=None, return_dtype=pl.Int32),
    ).drop_nulls("curve")
    first = pl.col("place") == pl.min("place").over("experiment", "asset", "curve")
    return named.filter(first).drop("place")


def tabulate_last_values(metrics: pl.DataFrame) -> pl.DataFrame:
    """Tabulate the end of each training.

    Args:
        metrics: `training_metrics`.

    Returns:
        One row per training: experiment, asset, steps, epochs, and the last logged loss, accuracy
        and margin (`CURVES`); shared trainings first.
    """
    shown = name_curves(metrics).sort("step", maintain_order=True)
    value, curve = pl.col("value"), pl.col("curve")
    last = shown.group_by("experiment", "iteration", "asset", maintain_order=True).agg(
        pl.col("step").last().alias("steps"),
        pl.col("epoch").last().alias("epochs"),
        *(value.filter(curve == title).last().alias(title) for title in CURVES),
    )
    is_own = pl.col("experiment") != SHARED
    return last.sort(is_own, "experiment", "iteration", "asset").drop("iteration")


def describe_end(metrics: pl.DataFrame) -> dict[str, float]:
    """Return the last loss, accuracy and margin of one training, as far as they were logged."""
    shown = name_curves(metrics).sort("step", maintain_order=True)
    last = shown.unique("curve", keep="last", maintain_order=True)
    found = dict(last.select("curve", "value").iter_rows())
    return {f"last_{title}": found[title] for title in CURVES if title in found}


def order_metrics(names: Iterable[str]) -> list[str]:
    """Order names of metrics: loss, accuracy and margin first, the others by name."""
    known = set(names)
    logged = ([name for name in names if name in known] for names in CURVES.values())
    first = [names[0] for names in logged if names]
    return first + sorted(known.difference(first))


def select_last_values(metrics: pl.DataFrame) -> pl.DataFrame:
    """Return the last value of each metric of one training: metric, step, value."""
    last = (
        metrics.sort("step", maintain_order=True)
        .group_by("metric", maintain_order=True)
        .agg(pl.col("step").last(), pl.col("value").last())
    )
    places = {name: place for place, name in enumerate(order_metrics(last["metric"]))}
    return last.sort(pl.col("metric").replace_strict(places, return_dtype=pl.Int32))
