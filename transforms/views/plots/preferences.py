"""Figures of the preference data: lengths by source, pairs kept and dropped.

They are readable with 25 sources. Not here: the plotted rows (`sql/reports`), the map of the
prompts (`transforms.views.plots.prompt_map`).
"""

from collections.abc import Mapping, Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from transforms.views.plots.figures import (
    COLOURS,
    DIALOG_WIDTH,
    MANY_COLOURS,
    add_legend,
    finish,
    refuse_empty,
    render_png,
)

PARTS = {"prompt": "0.6", "chosen": COLOURS[0], "rejected": COLOURS[3]}
"""Parts of a comparison and their colours."""

UNITS = {"chars": "characters", "tokens": "tokens"}

NAMED_REASONS = 12
"""Maximum number of reasons with their own colour; all rarer reasons share one colour."""


def render_length_distributions(lengths: pl.DataFrame) -> bytes:
    """Plot the lengths of prompts, chosen and rejected responses, three bars per source.

    A thin bar spans the 5th to the 95th percentile, a thick one the 25th to the 75th; the white
    mark is the median. The axis is logarithmic. One panel per unit (and tokenizer).

    Args:
        lengths: rows of the report `length_statistics`.

    Raises:
        InputError: no lengths.
    """
    refuse_empty(lengths, "the report length_statistics")
    sources = sorted(set(lengths["source"]))
    panels = sorted(lengths.partition_by("unit", "tokenizer_id", as_dict=True).items())
    size = (min(DIALOG_WIDTH, 5.5 * len(panels) + 1.5), 0.45 * len(sources) + 1.8)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, ((unit, tokenizer_id), panel) in zip(axes, panels, strict=True):
        for shift, part in zip((-0.26, 0, 0.26), PARTS, strict=True):
            _plot_quantiles(axis, panel.filter(part=part), sources, shift, part)
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.tick_params(axis="x", labelsize=8)
        axis.set_title("" if tokenizer_id is None else f"tokenizer {tokenizer_id[:8]}", fontsize=9)
        finish(axis, UNITS[unit])
    _list_sources(axes[0], sources)
    add_legend(figure, axes[0], columns=3)
    figure.suptitle("Lengths of the kept pairs: 5–95 %, 25–75 %, median", fontsize=11)
    return render_png(figure)


def render_kept_and_dropped(statistics: pl.DataFrame, reasons: pl.DataFrame) -> bytes:
    """Render the figure of `plot_kept_and_dropped` as PNG, with a title."""
    figure = plot_kept_and_dropped(statistics, reasons)
    figure.suptitle("Preference pairs kept and dropped, by source and reason", fontsize=11)
    return render_png(figure)


def plot_kept_and_dropped(statistics: pl.DataFrame, reasons: pl.DataFrame) -> Figure:
    """Plot Table 1 as bars: shares of each source's candidate pairs, kept and dropped by reason.

    The bars are shares because sizes differ a thousandfold between sources; the counts are written
    next to them.

    Args:
        statistics: rows of the report `preference_statistics`.
        reasons: rows of the report `dropped_by_reason`, of any tables.

    Raises:
        InputError: no source.
    """
    refuse_empty(statistics, "the report preference_statistics")
    counts = statistics.unique("source").sort("source")  # a source has one row per tokenizer
    dropped = reasons.filter(pl.col("table") == "preference_pairs")
    weights = dropped.group_by("reason").agg(pl.sum("share_of_dropped"))
    ranked = weights.sort("share_of_dropped", "reason", descending=[True, False])["reason"]
    named = ranked.head(NAMED_REASONS).to_list()
    segments = pl.concat(
        [
            counts.select("source", segment=pl.lit("kept"), pairs="kept_pairs"),
            dropped.select(
                pl.col("origin").alias("source"),
                pl.when(pl.col("reason").is_in(named))
                .then("reason")
                .otherwise(pl.lit("other reasons"))
                .alias("segment"),
                pl.col("dropped_rows").alias("pairs"),
            ),
        ]
    )
    figure = Figure(figsize=(11, 0.3 * len(counts) + 2.2), layout="constrained")
    axis = figure.subplots()
    _plot_segments(axis, segments, counts["source"].to_list(), ["kept", *named, "other reasons"])
    for place, row in enumerate(counts.iter_rows(named=True)):
        axis.text(1.01, place, _format_counts(row), va="center", fontsize=8)
    axis.set_xlim(0, 1)
    finish(axis, "share of the candidate pairs")
    _list_sources(axis, counts["source"].to_list())
    add_legend(figure, axis, columns=5)
    return figure


def _plot_quantiles(
    axis: Axes, rows: pl.DataFrame, sources: Sequence[str], shift: float, part: str
) -> None:
    """Plot one part's quantiles, one bar per source."""
    places = [sources.index(source) + shift for source in rows["source"]]
    colour = PARTS[part]
    axis.hlines(places, rows["p05"], rows["p95"], color=colour, linewidth=1.2)
    axis.hlines(places, rows["p25"], rows["p75"], color=colour, linewidth=5, label=part)
    axis.plot(rows["median"], places, "|", color="white", markersize=5, markeredgewidth=1.5)


def _plot_segments(
    axis: Axes, segments: pl.DataFrame, sources: Sequence[str], order: Sequence[str]
) -> None:
    """Plot segments (source, segment, pairs) as stacked bars, shares of their source."""
    total = pl.sum("pairs").over("source")
    shares = segments.with_columns(share=pl.col("pairs") / pl.max_horizontal(total, 1))
    shares = shares.group_by("source", "segment").agg(pl.sum("share"))
    ends = [0.0] * len(sources)
    for segment, colour in zip(order, ("0.85", *MANY_COLOURS), strict=False):
        share = dict(shares.filter(segment=segment).select("source", "share").rows())
        widths = [share.get(source, 0.0) for source in sources]
        if share:
            axis.barh(range(len(sources)), widths, 0.7, ends, color=colour, label=segment)
        ends = [end + width for end, width in zip(ends, widths, strict=True)]


def _format_counts(row: Mapping[str, int | None]) -> str:
    """Format a source's counts of kept and candidate pairs, and the paper's count."""
    candidates = "" if row["candidates"] is None else f" of {row['candidates']:,}"
    paper = "" if row["paper_pairs"] is None else f" (paper: {row['paper_pairs']:,})"
    return f"{row['kept_pairs']:,}{candidates}{paper}"


def _list_sources(axis: Axes, sources: Sequence[str]) -> None:
    """Label the y axis with the sources, the first at the top."""
    axis.set_yticks(range(len(sources)), sources, fontsize=9)
    axis.set_ylim(len(sources) - 0.4, -0.6)
