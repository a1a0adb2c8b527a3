"""Small SVG drawings that fit into a Dagster page without a click.

Dagster shows a markdown value at once if it has fewer than 1,000 characters; a figure of matplotlib
has many thousands. Not here: figures with axes (`transforms.views.plots.training`).
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, cast
from urllib.parse import quote

import polars as pl

from transforms.formats import cut
from transforms.lake.asset_names import INITIAL_POLICIES, iteration_number
from transforms.measures.training_curves import CURVES, name_curves

LIMIT = 1000
"""Dagster's page shows markdown of fewer characters in place (`MarkdownMetadataEntry`)."""

POINTS = 20
"""Points of a line; a longer one is shown by the means of as many equal parts."""

WIDTH, HEIGHT, TITLE_HEIGHT = 300, 56, 16
"""Pixels of one panel, and of the title above its line. The page's column is about 340 wide."""

MOST_BARS, MOST_BOXES, MOST_BENCHMARKS, NAME_CHARS = 4, 3, 3, 20
"""Most bars, boxes and lines of a drawing, and most characters of a bar's name: more would exceed
`LIMIT`."""


class Panel(NamedTuple):
    """A title, and a line below it; places and values are stretched to the panel's size."""

    title: str
    places: Sequence[float]
    values: Sequence[float]


def draw_training(metrics: pl.DataFrame) -> str:
    """Draw loss, accuracy and margin of one training over its steps, as markdown.

    Args:
        metrics: `training_metrics` of one training.

    Returns:
        Markdown with one panel per curve that was logged, titled by its first and last value; an
        empty string if none was.
    """
    shown = name_curves(metrics).sort("step", maintain_order=True)
    return _draw_lines({title: shown.filter(curve=title)["value"].to_list() for title in CURVES})


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
    return _to_markdown([Panel(f"{low:.3g} to {high:.3g}", range(POINTS), counts)])


def draw_progress(rows: pl.DataFrame) -> str:
    """Draw gold reward, reward and KL to π₀, from π₀ to the last iteration, as markdown.

    Args:
        rows: the report `iteration_progress` of one experiment; sampled responses are drawn.

    Returns:
        Markdown with one panel per metric that has values, titled by its first and last value; an
        empty string if none has.
    """
    steps = _select_steps(rows.filter(decoding="sampled"))
    metrics = {"gold reward": "gold_reward", "reward": "reward", "KL": "kl_to_initial"}
    return _draw_lines(
        {title: steps[name].drop_nulls().to_list() for title, name in metrics.items()}
    )


def draw_reward_by_kl(rows: pl.DataFrame) -> str:
    """Draw gold reward and reward by the square root of the KL to π₀, as markdown.

    Args:
        rows: the report `reward_by_kl` of one experiment and of the models that all share.

    Returns:
        Markdown with one panel per reward that has values, from π₀ through the iterations; an
        empty string if none has.
    """
    panels = []
    for title, name in {"gold reward": "gold_reward", "reward": "reward"}.items():
        line = _select_steps(rows).drop_nulls([name, "sqrt_kl"])
        if line.height:
            values, roots = line[name].to_list(), line["sqrt_kl"].to_list()
            span = f"{title} {values[0]:.3g} to {values[-1]:.3g}"
            panels.append(Panel(f"{span} at a KL of {roots[-1] ** 2:.3g}", roots, values))
    return _to_markdown(panels)


def draw_kept_pairs(rows: pl.DataFrame) -> str:
    """Draw one bar per source, divided where the kept pairs end, as markdown.

    Args:
        rows: the report `preference_statistics`. Only the `MOST_BARS` sources with most pairs are
            drawn, and the others are counted.
    """
    sources = rows.unique("source").drop_nulls("kept_fraction")
    sources = sources.sort("candidates", "source", descending=[True, False])
    panels = []
    for row in sources.head(MOST_BARS).iter_rows(named=True):
        counts = f"{row['kept_pairs']:,} of {row['candidates']:,} kept"
        share = row["kept_fraction"]
        bar = Panel(
            f"{cut(row['source'], NAME_CHARS)}: {counts}",
            [0, 1, 1, 0, 0, share, share],
            [0, 0, 1, 1, 0, 0, 1],
        )
        panels.append(bar)
    if sources.height > MOST_BARS:
        panels.append(Panel(f"and {sources.height - MOST_BARS} more sources", [], []))
    return _to_markdown(panels)


def draw_lengths(rows: pl.DataFrame) -> str:
    """Draw one box per source, the lengths of its chosen responses in characters, as markdown.

    A line spans the 5th to the 95th percentile, the box the 25th to the 75th.

    Args:
        rows: the report `length_statistics`. Only the `MOST_BOXES` sources with most pairs are
            drawn, and the others are counted.
    """
    chars = rows.filter(unit="chars").sort("pairs", "source", descending=[True, False])
    chosen = chars.filter(part="chosen")
    rejected = dict(chars.filter(part="rejected").select("source", "median").rows())
    panels = []
    for row in chosen.head(MOST_BOXES).iter_rows(named=True):
        start, left, right, end = (row[name] for name in ("p05", "p25", "p75", "p95"))
        medians = f"{row['median']:,.0f} chars, rejected {rejected[row['source']]:,.0f}"
        box = Panel(
            f"{cut(row['source'], NAME_CHARS)}: chosen {medians}",
            [start, left, left, right, right, end, right, right, left, left],
            [1, 1, 0, 0, 1, 1, 1, 2, 2, 1],
        )
        panels.append(box)
    if chosen.height > MOST_BOXES:
        panels.append(Panel(f"and {chosen.height - MOST_BOXES} more sources", [], []))
    return _to_markdown(panels)


def draw_benchmarks(rows: pl.DataFrame) -> str:
    """Draw the scores of our models on each benchmark, as markdown.

    Args:
        rows: the report `benchmark_comparison` of one experiment and of the models that all share,
            in its order. Only the first `MOST_BENCHMARKS` are drawn, and the others are counted.

    Returns:
        Markdown with one panel per benchmark, titled by the scores of the first and the last model;
        an empty string without rows of our models.
    """
    ours = rows.filter(origin="ours")
    names = ours["benchmark"].unique(maintain_order=True).to_list()
    lines = {
        name: ours.filter(benchmark=name)["value"].to_list() for name in names[:MOST_BENCHMARKS]
    }
    others = len(names) - len(lines)
    more = [Panel(f"and {others} more", [], [])] if others else []
    return _to_markdown([*_build_lines(lines), *more])


def _select_steps(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of π₀ and of the policies of the iterations, in this order."""
    places = {
        model: 0 if model in INITIAL_POLICIES else iteration_number(model)
        for model in set(rows["model"])
    }
    place = pl.col("model").replace_strict(places, default=None, return_dtype=pl.Int64)
    return rows.with_columns(place=place).drop_nulls("place").sort("place").drop("place")


def _draw_lines(lines: Mapping[str, Sequence[float]]) -> str:
    return _to_markdown(_build_lines(lines))


def _build_lines(lines: Mapping[str, Sequence[float]]) -> list[Panel]:
    """Build lines of equal steps, titled by their first and last value; empty ones are left out."""
    return [
        Panel(f"{title} {line[0]:.3g} to {line[-1]:.3g}", range(len(line)), line)
        for title, line in lines.items()
        if line
    ]


def _to_markdown(panels: Sequence[Panel]) -> str:
    """Put panels one below the other into an SVG, and this into the address of an image."""
    if not panels:
        return ""
    parts = []
    for number, panel in enumerate(panels):
        top = number * HEIGHT
        parts.append(f"<text y='{top + 11}'>{panel.title}</text>")
        if panel.values:
            points = _place(_thin(panel.places), _thin(panel.values), top)
            parts.append(f"<polyline points='{points}' fill='none' stroke='#48d'/>")
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


def _place(places: Sequence[float], values: Sequence[float], top: int) -> str:
    """Return the points of a polyline, whole pixels; y grows downwards."""
    tall, bottom = HEIGHT - TITLE_HEIGHT - 8, top + HEIGHT - 8
    return ",".join(
        f"{x * WIDTH:.0f},{bottom - y * tall:.0f}"
        for x, y in zip(_stretch(places), _stretch(values), strict=True)
    )


def _stretch(line: Sequence[float]) -> list[float]:
    """Scale values to the range from 0 to 1; equal ones are 0."""
    low, span = min(line), max(line) - min(line) or 1.0
    return [(value - low) / span for value in line]
