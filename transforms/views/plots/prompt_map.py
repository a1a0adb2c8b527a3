"""The map of the prompts as a figure: by source and by topic, side by side (paper, Figure 7).

Not here: positions and topics (`transforms.prompts.prompt_map`). Made to be read with 25 sources.
"""

from collections.abc import Mapping

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transforms.views.plots.figures import MANY_COLOURS, drawable, legend, png, refuse_empty

NAME = (("x", 0.2), ("y", 0.02))
"""Width and height of a topic's name, shares of what the prompts span."""

CELLS = 12
"""Cells along each side of the map, in one of which a topic's name stands."""


def draw_prompt_map(points: pl.DataFrame) -> bytes:
    """Draw the prompts twice: coloured by source, and by topic with the topics' names.

    Args:
        points: `prompt_map`.

    Raises:
        InputError: no prompts.
    """
    refuse_empty(points, "prompt_map")
    # a name that the font does not have is left to the table
    named = pl.when(pl.col("topic_terms").map_elements(drawable, return_dtype=pl.Boolean))
    points = points.with_columns(
        topic_terms=named.then("topic_terms").otherwise(pl.format("topic {}", "topic"))
    )
    figure = Figure(figsize=(15, 8.4), layout="constrained")
    by_source, by_topic = figure.subplots(1, 2)
    sources = points.group_by("source").len().sort("len", "source", descending=[True, False])
    names = {source: f"{source} ({count:,})" for source, count in sources.rows()}
    _scatter(by_source, points, "source", names)
    topics = points.select("topic", "topic_terms").unique("topic").sort("topic")
    _scatter(by_topic, points, "topic", dict(topics.rows()))
    box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1}
    for terms, x, y in place_names(points):
        by_topic.text(x, y, terms, ha="center", va="center", fontsize=8, bbox=box)
    legend(figure, by_source, columns=6)
    figure.suptitle(f"{points.height:,} prompts, by source and by topic", fontsize=11)
    return png(figure)


def _scatter(axis: Axes, points: pl.DataFrame, column: str, names: Mapping[object, str]) -> None:
    """Draw the points, coloured by a column, its values in the order of their names."""
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
    """Place a name at the densest cell of each topic, raised until it covers no earlier name.

    Args:
        points: `prompt_map`.

    Returns:
        Name and the middle of its place, by topic.
    """
    cells = {
        f"{axis}_cell": (pl.col(axis) - pl.min(axis)) / (pl.max(axis) - pl.min(axis)) * CELLS
        for axis in ("x", "y")
    }
    floors = [cell.floor().clip(0, CELLS - 1).alias(name) for name, cell in cells.items()]
    counted = points.with_columns(floors).group_by("topic", "topic_terms", *cells)
    dense = counted.agg(pl.mean("x", "y"), pl.len()).sort("len", "x", "y", descending=True)
    topics = dense.unique("topic", keep="first", maintain_order=True).sort("topic")
    width, height = ((points[axis].max() - points[axis].min()) * size for axis, size in NAME)
    placed: list[tuple[str, float, float]] = []
    for terms, x, y in topics.select("topic_terms", "x", "y").rows():
        while any(abs(x - a) < width and abs(y - b) < height for _, a, b in placed):
            y += height
        placed.append((terms, x, y))
    return placed
