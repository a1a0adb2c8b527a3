"""Figures of training metrics and of the rewards of sampled responses.

Not here: figures of evaluation results (`transforms.views.plots.progress`).
"""

from collections.abc import Iterator
from typing import cast

import polars as pl
from matplotlib.figure import Figure

from transforms.lake.schemas.table import SHARED
from transforms.measures.training_curves import CURVES, name_curves, order_metrics
from transforms.views.plots.figures import (
    COLOURS,
    DIALOG_WIDTH,
    PAGE_WIDTH,
    Colour,
    add_shared_legend,
    finish,
    make_panels,
    refuse_empty,
    render_png,
)


def render_training_curves(metrics: pl.DataFrame) -> bytes:
    """Plot training metrics over optimiser steps, one panel per metric, one line per run.

    Loss, accuracy and margin are first. Metrics that are logged once, at the end, are left out,
    unless all are.

    Args:
        metrics: `training_metrics` of one or several runs.

    Raises:
        InputError: no metrics.
    """
    refuse_empty(metrics, "training_metrics")
    followed = metrics.filter(pl.col("step").n_unique().over("metric") > 1)
    names = order_metrics((followed if followed.height else metrics)["metric"])
    figure, axes = make_panels(
        len(names), min(3, len(names)), width=DIALOG_WIDTH, row_height=2.1, room=0.8
    )
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


def plot_training(metrics: pl.DataFrame) -> Figure:
    """Plot loss, accuracy and margin over optimiser steps, one line per training.

    Args:
        metrics: `training_metrics` of some trainings.

    Raises:
        InputError: none of the three was logged.
    """
    shown = name_curves(metrics)
    refuse_empty(shown, "training_metrics with a loss, an accuracy or a margin")
    titles = [title for title in CURVES if title in set(shown["curve"])]
    figure, axes = make_panels(len(titles), len(CURVES), width=PAGE_WIDTH, row_height=2.4, room=0.4)
    for axis, title in zip(axes, titles, strict=True):
        for label, run, colour in _list_runs(shown.filter(curve=title), shown):
            marker = "." if run.height < 40 else None
            axis.plot(run["step"], run["value"], label=label, color=colour, marker=marker)
        axis.set_title(title, fontsize=10)
        finish(axis, "optimiser step")
    add_shared_legend(figure, axes, columns=5)
    return figure


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
