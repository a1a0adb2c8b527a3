"""Distributions of rewards, margins and lengths in each iteration, for the HTML page.

Not here: the plotted counts (`sql/reports/reward_histogram.sql`, `margin_histogram.sql`,
`reward_length_map.sql`).
"""

from collections.abc import Mapping
from typing import cast

import numpy as np
import polars as pl
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from transforms.views.plots.figures import (
    COLOURS,
    PAGE_WIDTH,
    add_shared_legend,
    finish,
    make_panels,
    refuse_empty,
)

COLUMNS = 3
CELLS = 24
"""Cells of a heat map along each side."""

SHADES = colormaps["viridis"](np.linspace(0.32, 0.88, 256))
"""Colours that are visible on a white and on a dark background."""

Slope = tuple[float, float | None]
"""Reward per character, and its standard error."""


def plot_histograms(counts: pl.DataFrame, value: str, count: str, x_label: str) -> Figure:
    """Plot histograms, one panel per experiment, one outline per iteration.

    Args:
        counts: experiment, iteration, `<value>_from`, `<value>_to`, and the count.
        value: name of the binned variable.
        count: name of the column of counts.
        x_label: label of the x axis, with the unit.

    Raises:
        InputError: no counts.
    """
    refuse_empty(counts, f"the report {value}_histogram")
    panels = sorted(counts.partition_by("experiment", as_dict=True).items())
    columns = min(COLUMNS, len(panels))
    figure, axes = make_panels(
        len(panels), columns, width=PAGE_WIDTH / COLUMNS * columns, row_height=2.2, room=0.5
    )
    last = cast(int, counts["iteration"].max())
    for axis, ((experiment,), panel) in zip(axes, panels, strict=True):
        edges, width = _find_edges(panel, value)
        for (iteration,), bins in sorted(panel.partition_by("iteration", as_dict=True).items()):
            heights = np.zeros(len(edges) - 1)
            places = ((bins[f"{value}_from"] - edges[0]) / width).round().cast(pl.Int64)
            heights[places.to_numpy()] = (bins[count] / bins[count].sum()).to_numpy()
            shade = SHADES[round(255 * (iteration - 1) / max(1, last - 1))]
            label = f"iteration {iteration}"
            axis.stairs(heights, edges, color=shade, linewidth=1.5, label=label)
        axis.set_title(experiment, fontsize=10)
        axis.tick_params(labelsize=8)
        finish(axis, x_label)
    axes[0].set_ylabel(f"share of the {count}")
    add_shared_legend(figure, axes, columns=last)
    return figure


def plot_reward_length_maps(cells: pl.DataFrame, slopes: Mapping[tuple[str, int], Slope]) -> Figure:
    """Plot reward against length, each minus its prompt's mean.

    One row of panels per experiment, one column per iteration.

    Args:
        cells: rows of the report `reward_length_map`.
        slopes: reward per character and its standard error, by experiment and iteration.

    Raises:
        InputError: no cells.
    """
    refuse_empty(cells, "the report reward_length_map")
    experiments = sorted(set(cells["experiment"]))
    iterations = sorted(set(cells["iteration"]))
    size = (PAGE_WIDTH / 3 * min(3, len(iterations)), 2.4 * len(experiments) + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(experiments), len(iterations), squeeze=False)
    for row, experiment in enumerate(experiments):
        for column, iteration in enumerate(iterations):
            axis = axes[row, column]
            panel = cells.filter(experiment=experiment, iteration=iteration)
            if panel.is_empty():
                axis.set_visible(False)
                continue
            slope = slopes.get((experiment, iteration))
            _plot_map(axis, panel, slope)
            axis.set_title(f"{experiment}, iteration {iteration}{_format_slope(slope)}", fontsize=9)
            axis.tick_params(labelsize=8)
            if column == 0:
                axis.set_ylabel("reward − prompt's mean", fontsize=8)
            if row == len(experiments) - 1:
                axis.set_xlabel("characters − prompt's mean", fontsize=8)
    return figure


def _format_slope(slope: Slope | None) -> str:
    if slope is None:
        return ""
    value, error = slope
    text = f"\nslope {value:.2g}" + (f" ± {error:.1g}" if error is not None else "")
    return text.replace("-", "−")


def _plot_map(axis: Axes, panel: pl.DataFrame, slope: Slope | None) -> None:
    """Plot the shares of one slice's responses, and a line with the slope."""
    widths = [(panel[f"{side}_to"] - panel[f"{side}_from"])[0] for side in ("chars", "reward")]
    across, up = (
        (panel[f"{side}_from"] / width).round().cast(pl.Int64).to_numpy() + CELLS // 2
        for side, width in zip(("chars", "reward"), widths, strict=True)
    )
    shares = np.full((CELLS, CELLS), np.nan)
    shares[up, across] = (panel["responses"] / panel["responses"].sum()).to_numpy()
    x, y = (width * CELLS / 2 for width in widths)
    colours = ListedColormap(SHADES)
    axis.imshow(
        shares,
        cmap=colours,
        extent=(-x, x, -y, y),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    axis.axhline(0, color="0.5", linewidth=0.6)
    axis.axvline(0, color="0.5", linewidth=0.6)
    if slope:
        end = min(x, y / abs(slope[0])) if slope[0] else x
        ends = [-end * slope[0], end * slope[0]]
        axis.plot([-end, end], ends, color=COLOURS[3], linewidth=1.6)


def _find_edges(panel: pl.DataFrame, value: str) -> tuple[np.ndarray, float]:
    """Return the edges of the bins that all outlines of a panel share, and the bins' width."""
    low = cast(float, panel[f"{value}_from"].min())
    high = cast(float, panel[f"{value}_to"].max())
    width = (panel[f"{value}_to"] - panel[f"{value}_from"])[0]
    return np.linspace(low, high, round((high - low) / width) + 1), width
