"""Figure 5 of the paper, length bias: prompts by coefficient and mean length, one panel per unit.

The bars above and to the right of a heat map are its column and row sums. Not here: the counts
(`transforms.measures.length_bias`).
"""

from typing import cast

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from transforms.measures.clustered import error_of_mean
from transforms.measures.length_bias import PEARSON_BINS, count_cells
from transforms.views.plots.figures import COLOURS, finish, refuse_empty, render_png

NAMES = {"chars": "characters", "tokens": "tokens"}


def render_length_bias(coefficients: pl.DataFrame, title: str) -> bytes:
    """Plot the joint distribution of coefficients and mean lengths; a line marks the mean r.

    Args:
        coefficients: `reward_length_correlation` of one slice and ranker.
        title: names the responses and the ranker.

    Raises:
        InputError: no prompt has a defined coefficient.
    """
    defined = coefficients.filter(pl.col("status") == "defined")
    refuse_empty(defined, "reward_length_correlation with a defined coefficient")
    units = [unit for unit in NAMES if unit in set(defined["unit"])]
    figure = Figure(figsize=(6.2 * len(units), 5.4), layout="constrained")
    panels = figure.subfigures(1, len(units), squeeze=False)[0]
    for panel, unit in zip(panels, units, strict=True):
        _plot_unit(panel, coefficients.filter(unit=unit), unit)
    figure.suptitle(title, fontsize=11)
    return render_png(figure)


def _plot_unit(panel: SubFigure, coefficients: pl.DataFrame, unit: str) -> None:
    """Plot one unit: the heat map, its sums above and to the right."""
    counts, length_edges = _make_grid(count_cells(coefficients))
    mean_r = cast(float, coefficients["pearson"].mean())
    pearson_edges = np.linspace(-1, 1, PEARSON_BINS + 1)
    grid = panel.add_gridspec(2, 2, width_ratios=(5, 1), height_ratios=(1, 4))
    middle = panel.add_subplot(grid[1, 0])
    above = panel.add_subplot(grid[0, 0], sharex=middle)
    beside = panel.add_subplot(grid[1, 1], sharey=middle)
    colours = middle.pcolormesh(pearson_edges, length_edges, counts, cmap="Blues")
    above.stairs(counts.sum(axis=0), pearson_edges, fill=True, color=COLOURS[0])
    beside.stairs(
        counts.sum(axis=1), length_edges, fill=True, color=COLOURS[0], orientation="horizontal"
    )
    for axis in (middle, above):
        axis.axvline(0, color="0.5", linewidth=0.8)
        axis.axvline(mean_r, color=COLOURS[3], linewidth=1.5)
    above.set_title(_describe_mean(coefficients), fontsize=9, color=COLOURS[3])
    finish(middle, "Pearson's r of reward and length")
    finish(above, "")
    finish(beside, "prompts")
    middle.set_ylabel(f"mean response length ({NAMES[unit]})")
    above.set_ylabel("prompts")
    _format_sums(above, beside)
    bar = panel.colorbar(colours, ax=[middle, beside], location="bottom", shrink=0.5, aspect=30)
    bar.set_label("prompts in a cell", fontsize=9)
    bar.locator = MaxNLocator(6, integer=True)
    bar.update_ticks()


def _make_grid(cells: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return counts by length (from 0) and coefficient, and the edges of the lengths."""
    width = cells["length_to"][0] - cells["length_from"][0]
    rows = (cells["length_from"] / width).round().cast(pl.Int64).to_numpy()
    columns = ((cells["pearson_from"] + 1) / 2 * PEARSON_BINS).round().cast(pl.Int64).to_numpy()
    counts = np.zeros((rows.max() + 1, PEARSON_BINS))
    counts[rows, columns] = cells["prompts"].to_numpy()
    return counts, width * np.arange(len(counts) + 1)


def _describe_mean(coefficients: pl.DataFrame) -> str:
    """Format the mean r with its standard error and the number of undefined prompts."""
    r = coefficients["pearson"].drop_nulls()
    standard_error = r.to_frame().select(error_of_mean(pl.col("pearson"))).item()
    error = "" if standard_error is None else f" ± {standard_error:.3f}"
    undefined = len(coefficients) - len(r)
    mean_r = cast(float, r.mean())
    return f"mean r = {mean_r:.3f}{error} of {len(r):,} prompts; undefined for {undefined:,}"


def _format_sums(above: Axes, beside: Axes) -> None:
    """Label the sums with whole numbers; hide the labels of shared axes."""
    above.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    beside.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    above.tick_params(labelbottom=False)
    beside.tick_params(labelleft=False)
