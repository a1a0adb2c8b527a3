"""Figures of training, as PNG bytes for the asset page and for docs: metrics, rewards.

Not here: figures of evaluation (`transforms.views.plots.progress`).
"""

from collections.abc import Iterator

import polars as pl
from matplotlib.figure import Figure

from transforms.lake.schemas.columns import SHARED
from transforms.views.plots.figures import (
    COLOURS,
    finish,
    panel_grid,
    png,
    refuse_empty,
    shared_legend,
)


def training_curves(metrics: pl.DataFrame) -> bytes:
    """Draw every metric of training runs over optimiser steps, a panel each, a line each run.

    Args:
        metrics: `training_metrics` of one or more runs.

    Raises:
        InputError: no metrics.
    """
    refuse_empty(metrics, "training_metrics")
    names = sorted(set(metrics["metric"]))
    columns = min(3, len(names))
    figure, axes = panel_grid(len(names), columns, width=4.3 * columns, row_height=2.6, room=0.8)
    for axis, name in zip(axes, names, strict=True):
        panel = metrics.filter(pl.col("metric") == name)
        for label, run, colour in _runs(panel, metrics):
            style = {"marker": "."} if run.height < 40 else {}
            axis.plot(run["step"], run["value"], label=label, color=colour, linewidth=1.2, **style)
        axis.set_title(name, fontsize=10)
        finish(axis, "optimiser step")
    shared_legend(figure, axes, columns=3)
    figure.suptitle("Training", fontsize=11)
    return png(figure)


def select_last_values(metrics: pl.DataFrame) -> pl.DataFrame:
    """Return the last value of every metric of one training: metric, step, value; by metric."""
    return (
        metrics.sort("step")
        .group_by("metric", maintain_order=True)
        .agg(pl.col("step").last(), pl.col("value").last())
        .sort("metric")
    )


def reward_histogram(scores: pl.DataFrame) -> bytes:
    """Draw the distribution of rewards, one outline per experiment and iteration, common bins.

    Args:
        scores: `scores` of one or more slices.

    Raises:
        InputError: no scores.
    """
    refuse_empty(scores, "scores")
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axis = figure.subplots()
    low, high = scores["reward"].min(), scores["reward"].max()
    bins = 40 if low == high else [low + (high - low) * step / 40 for step in range(41)]
    slices = scores.partition_by("experiment", "iteration", as_dict=True, maintain_order=False)
    for number, ((experiment, iteration), rows) in enumerate(sorted(slices.items())):
        label = f"{experiment}, iteration {iteration} (mean {rows['reward'].mean():.3g})"
        colour = COLOURS[number % len(COLOURS)]
        axis.hist(
            rows["reward"],
            bins,
            density=True,
            histtype="step",
            label=label,
            color=colour,
            linewidth=1.4,
        )
    axis.set_title("Rewards of sampled responses", fontsize=11)
    axis.set_ylabel("density")
    finish(axis, "reward model's reward")
    axis.legend(fontsize=8, frameon=False)
    return png(figure)


def _runs(
    panel: pl.DataFrame, metrics: pl.DataFrame
) -> Iterator[tuple[str, pl.DataFrame, tuple[float, float, float]]]:
    """Yield label, rows by step and colour of each run; a run keeps its colour in every panel."""
    keys = metrics.select("experiment", "asset").unique().sort("experiment", "asset").rows()
    for number, (experiment, asset) in enumerate(keys):
        run = panel.filter(pl.col("experiment") == experiment, pl.col("asset") == asset)
        if run.height:
            label = asset if experiment == SHARED else f"{experiment}: {asset}"
            yield label, run.sort("step"), COLOURS[number % len(COLOURS)]
