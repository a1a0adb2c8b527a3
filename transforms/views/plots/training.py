"""Figures of training metrics and of the rewards of sampled responses, as PNG bytes.

Not here: figures of evaluation results (`transforms.views.plots.progress`).
"""

from collections.abc import Iterator
from typing import cast

import polars as pl
from matplotlib.figure import Figure

from transforms.lake.schemas.table import SHARED
from transforms.views.plots.figures import (
    COLOURS,
    Colour,
    add_shared_legend,
    finish,
    make_panels,
    refuse_empty,
    render_png,
)


def render_training_curves(metrics: pl.DataFrame) -> bytes:
    """Plot training metrics over optimiser steps, one panel per metric, one line per run.

    Args:
        metrics: `training_metrics` of one or several runs.

    Raises:
        InputError: no metrics.
    """
    refuse_empty(metrics, "training_metrics")
    names = sorted(set(metrics["metric"]))
    columns = min(3, len(names))
    figure, axes = make_panels(len(names), columns, width=4.3 * columns, row_height=2.6, room=0.8)
    for axis, name in zip(axes, names, strict=True):
        panel = metrics.filter(pl.col("metric") == name)
        for label, run, colour in _list_runs(panel, metrics):
            marker = "." if run.height < 40 else None
            axis.plot(
                run["step"], run["value"], label=label, color=colour, linewidth=1.2, marker=marker
            )
        axis.set_title(name, fontsize=10)
        finish(axis, "optimiser step")
    add_shared_legend(figure, axes, columns=3)
    figure.suptitle("Training", fontsize=11)
    return render_png(figure)


def select_last_values(metrics: pl.DataFrame) -> pl.DataFrame:
    """Return the last value of each metric of one training run: metric, step, value."""
    return (
        metrics.sort("step")
        .group_by("metric", maintain_order=True)
        .agg(pl.col("step").last(), pl.col("value").last())
        .sort("metric")
    )


def render_reward_histogram(scores: pl.DataFrame) -> bytes:
    """Plot the distribution of rewards, one outline per experiment and iteration, common bins.

    Args:
        scores: `scores` of one or several slices.

    Raises:
        InputError: no scores.
    """
    refuse_empty(scores, "scores")
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axis = figure.subplots()
    low, high = cast(float, scores["reward"].min()), cast(float, scores["reward"].max())
    bins = 40 if low == high else [low + (high - low) * step / 40 for step in range(41)]
    slices = scores.partition_by("experiment", "iteration", as_dict=True, maintain_order=False)
    for number, ((experiment, iteration), rows) in enumerate(sorted(slices.items())):
        mean = cast(float, rows["reward"].mean())
        label = f"{experiment}, iteration {iteration} (mean {mean:.3g})"
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
    return render_png(figure)


def _list_runs(
    panel: pl.DataFrame, metrics: pl.DataFrame
) -> Iterator[tuple[str, pl.DataFrame, Colour]]:
    """Yield label, rows by step and colour of each run; a run has one colour in all panels."""
    keys = metrics.select("experiment", "asset").unique().sort("experiment", "asset").rows()
    for number, (experiment, asset) in enumerate(keys):
        run = panel.filter(pl.col("experiment") == experiment, pl.col("asset") == asset)
        if run.height:
            label = asset if experiment == SHARED else f"{experiment}: {asset}"
            yield label, run.sort("step"), COLOURS[number % len(COLOURS)]
