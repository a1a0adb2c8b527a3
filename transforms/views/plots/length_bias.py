"""The picture of length bias (Figure 5): prompts by coefficient and mean length, a panel per unit.

Not here: what is counted (`transforms.measures.length_bias`). The bars at the edges of a panel are
its sums.
"""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from transforms.measures.clustered import error_of_mean
from transforms.measures.length_bias import PEARSON_BINS, count_cells
from transforms.views.plots.figures import COLOURS, finish, png, refuse_empty

NAMES = {"chars": "characters", "tokens": "tokens"}


def draw_length_bias(coefficients: pl.DataFrame, title: str) -> bytes:
    """Draw how the prompts' coefficients and mean lengths lie, with the mean coefficient marked.

    Args:
        coefficients: `reward_length_correlation` of one slice and ranker.
        title: whose responses and rewards they are.

    Raises:
        InputError: no prompt has a defined coefficient.
    """
    defined = coefficients.filter(pl.col("status") == "defined")
    refuse_empty(defined, "reward_length_correlation with a defined coefficient")
    units = [unit for unit in NAMES if unit in set(defined["unit"])]
    figure = Figure(figsize=(6.2 * len(units), 5.4), layout="constrained")
    panels = figure.subfigures(1, len(units), squeeze=False)[0]
    for panel, unit in zip(panels, units, strict=True):
        _panel(panel, coefficients.filter(unit=unit), unit)
    figure.suptitle(title, fontsize=11)
    return png(figure)


def _panel(panel: SubFigure, coefficients: pl.DataFrame, unit: str) -> None:
    """Draw one unit: the heat map, its sums above and beside it."""
    counts, length_edges = _grid(count_cells(coefficients))
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
        axis.axvline(coefficients["pearson"].mean(), color=COLOURS[3], linewidth=1.5)
    above.set_title(_described(coefficients), fontsize=9, color=COLOURS[3])
    finish(middle, "Pearson's r of reward and length")
    finish(above, "")
    finish(beside, "prompts")
    middle.set_ylabel(f"mean response length ({NAMES[unit]})")
    above.set_ylabel("prompts")
    _whole_counts(above, beside)
    bar = panel.colorbar(colours, ax=[middle, beside], location="bottom", shrink=0.5, aspect=30)
    bar.set_label("prompts in a cell", fontsize=9)
    bar.locator = MaxNLocator(6, integer=True)
    bar.update_ticks()


def _grid(cells: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Lay cells out: counts by length and coefficient, from length 0 up; edges of the lengths."""
    width = cells["length_to"][0] - cells["length_from"][0]
    rows = (cells["length_from"] / width).round().cast(pl.Int64).to_numpy()
    columns = ((cells["pearson_from"] + 1) / 2 * PEARSON_BINS).round().cast(pl.Int64).to_numpy()
    counts = np.zeros((rows.max() + 1, PEARSON_BINS))
    counts[rows, columns] = cells["prompts"].to_numpy()
    return counts, width * np.arange(len(counts) + 1)


def _described(coefficients: pl.DataFrame) -> str:
    """Write the mean with its standard error, and how many prompts have none."""
    r = coefficients["pearson"].drop_nulls()
    standard_error = r.to_frame().select(error_of_mean(pl.col("pearson"))).item()
    error = "" if standard_error is None else f" ± {standard_error:.3f}"
    undefined = len(coefficients) - len(r)
    return f"mean r = {r.mean():.3f}{error} of {len(r):,} prompts; undefined for {undefined:,}"


def _whole_counts(above: Axes, beside: Axes) -> None:
    """Label the sums with whole numbers, and the shared axes once."""
    above.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    beside.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    above.tick_params(labelbottom=False)
    beside.tick_params(labelleft=False)
