"""Figure of the prompt map, coloured by source and by topic (paper, Figure 7).

It is readable with 25 sources. Not here: positions and topics (`transforms.prompts.prompt_map`).
"""

from collections.abc import Mapping

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transforms.views.plots.figures import (
    MANY_COLOURS,
    add_legend,
    is_drawable,
    refuse_empty,
    render_png,
)

NAME = (("x", 0.2), ("y", 0.02))
"""Width and height of a topic's name, as shares of the map's width and height."""

CELLS = 12
"""Cells along each side of the map; a topic's name is placed in its densest cell."""


def render_prompt_map(points: pl.DataFrame) -> bytes:
    """Plot the prompts twice: coloured by source, and by topic with the topics' names.

    Args:
        points: `prompt_map`.

    Raises:
        InputError: no prompts.
    """
    refuse_empty(points, "prompt_map")
    # a name with characters outside the font is replaced; the table contains the name
    named = pl.when(pl.col("topic_terms").map_elements(is_drawable, return_dtype=pl.Boolean))
    points = points.with_columns(
        topic_terms=named.then("topic_terms").otherwise(pl.format("topic {}", "topic"))
    )
    figure = Figure(figsize=(15, 8.4), layout="constrained")
    by_source, by_topic = figure.subplots(1, 2)
    sources = points.group_by("source").len().sort("len", "source", descending=[True, False])
    names = {source: f"{source} ({count:,})" for source, count in sources.rows()}
    _plot_points(by_source, points, "source", names)
    topics = points.select("topic", "topic_terms").unique("topic").sort("topic")
    _plot_points(by_topic, points, "topic", dict(topics.rows()))
    box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1}
    for terms, x, y in place_names(points):
        by_topic.text(x, y, terms, ha="center", va="center", fontsize=8, bbox=box)
    add_legend(figure, by_source, columns=6)
    figure.suptitle(f"{points.height:,} prompts, by source and by topic", fontsize=11)
    return render_png(figure)


def _plot_points(
    axis: Axes, points: pl.DataFrame, column: str, names: Mapping[object, str]
) -> None:
    """Plot the points, coloured by the values of a column, in the order of `names`."""
    size = max(2.0, min(20.0, 40_000 / points.height))
    for number, (value, name) in enumerate(names.items()):
        rows = points.filter(pl.col(column) == value)
        colour = MANY_COLOURS[number % len(MANY_COLOURS)]
        axis.scatter(
            rows["x"], rows["y"], s=size, color=colour, alpha=0.6, linewidths=0, label=name
        )
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_color("0.8")


def place_names(points: pl.DataFrame) -> list[tuple[str, float, float]]:
    """Place each topic's name at its densest cell, moved up until it covers no earlier name.

    Args:
        points: `prompt_map`.

    Returns:
        Name and centre (x, y), one per topic.
    """
    cells = {
        f"{axis}_cell": (pl.col(axis) - pl.min(axis)) / (pl.max(axis) - pl.min(axis)) * CELLS
        for axis in ("x", "y")
    }
    floors = [cell.floor().clip(0, CELLS - 1).alias(name) for name, cell in cells.items()]
    counted = points.with_columns(floors).group_by("topic", "topic_terms", *cells)
    dense = counted.agg(pl.mean("x", "y"), pl.len()).sort("len", "x", "y", descending=True)
    topics = dense.unique("topic", keep="first", maintain_order=True).sort("topic")
    low, high = points.select(pl.min("x", "y")).row(0), points.select(pl.max("x", "y")).row(0)
    width, height = (
        (above - below) * size for below, above, (_, size) in zip(low, high, NAME, strict=True)
    )
    placed: list[tuple[str, float, float]] = []
    for terms, x, y in topics.select("topic_terms", "x", "y").rows():
        while any(abs(x - a) < width and abs(y - b) < height for _, a, b in placed):
            y += height
        placed.append((terms, x, y))
    return placed
