"""Small SVG drawings that fit into a Dagster page without a click.

Dagster shows a markdown value at once if it has fewer than 1,000 characters; a figure of matplotlib
has many thousands. Not here: figures with axes (`transforms.views.plots.training`).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast
from urllib.parse import quote

import polars as pl

from transforms.measures.training_curves import CURVES, name_curves

LIMIT = 1000
"""Dagster's page shows markdown of fewer characters in place (`MarkdownMetadataEntry`)."""

POINTS = 20
"""Points of a line; a longer one is shown by the means of as many equal parts."""

WIDTH, HEIGHT, TITLE_HEIGHT = 300, 56, 16
"""Pixels of one panel, and of the title above its line. The page's column is about 340 wide."""


def draw_training(metrics: pl.DataFrame) -> str:
    """Draw loss, accuracy and margin of one training over its steps, as markdown.

    Args:
        metrics: `training_metrics` of one training.

    Returns:
        Markdown with one panel per curve that was logged, titled by its first and last value; an
        empty string if none was.
    """
    shown = name_curves(metrics).sort("step", maintain_order=True)
    lines = {title: shown.filter(curve=title)["value"].to_list() for title in CURVES}
    return _to_markdown(
        [
            (f"{title} {line[0]:.3g} to {line[-1]:.3g}", line)
            for title, line in lines.items()
            if line
        ]
    )


def draw_rewards(rewards: pl.Series) -> str:
    """Draw the distribution of rewards in equal bins, as markdown.

    Args:
        rewards: rewards without nulls; an empty string is returned for none.
    """
    if rewards.is_empty():
        return ""
    low, high = cast(float, rewards.min()), cast(float, rewards.max())
    width = (high - low) / POINTS or 1.0
    bins = ((rewards - low) / width).floor().clip(0, POINTS - 1).cast(pl.Int32)
    counts = [int((bins == number).sum()) for number in range(POINTS)]
    return _to_markdown([(f"{low:.3g} to {high:.3g}", counts)])


def _to_markdown(panels: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Put titled lines one below the other into an SVG, and this into the address of an image."""
    if not panels:
        return ""
    parts = []
    for place, (title, line) in enumerate(panels):
        top = place * HEIGHT
        parts.append(f"<text y='{top + 11}'>{title}</text><polyline points='")
        parts.append(_place(_thin(line), top) + "' fill='none' stroke='#48d'/>")
    size = f"width='{WIDTH}' height='{len(panels) * HEIGHT}'"
    style = "font-family='sans-serif' font-size='12' fill='#888'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' {size} {style}>"
    address = quote("".join([head, *parts, "</svg>"]), safe="<>=/:',.-+")
    return f"![](data:image/svg+xml,{address})"


def _thin(line: Sequence[float]) -> list[float]:
    """Return at most `POINTS` values, each the mean of an equal part of the line."""
    parts = min(len(line), POINTS)
    ends = [len(line) * part // parts for part in range(parts + 1)]
    return [sum(line[start:end]) / (end - start) for start, end in pairwise(ends)]


def _place(line: Sequence[float], top: int) -> str:
    """Return the points of a polyline, whole pixels; y grows downwards."""
    low, span = min(line), max(line) - min(line) or 1.0
    wide, tall, bottom = WIDTH / max(1, len(line) - 1), HEIGHT - TITLE_HEIGHT - 8, top + HEIGHT - 8
    return ",".join(
        f"{number * wide:.0f},{bottom - (value - low) / span * tall:.0f}"
        for number, value in enumerate(line)
    )
