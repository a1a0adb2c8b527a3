"""Figure 8 of the paper: all models on every benchmark, ours with error bars.

Not here: the plotted rows (`sql/reports/benchmark_comparison.sql`).
"""

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from transforms.public_sets.registry import build_benchmark_columns
from transforms.views.plots.figures import MANY_COLOURS, PAGE_WIDTH, finish, refuse_empty

OURS = [colour for colour in MANY_COLOURS if max(colour) - min(colour) > 0.1]
"""Colours of our models; the paper's models are grey."""


def plot_benchmarks(rows: pl.DataFrame) -> Figure:
    """Plot one group of bars per benchmark, one bar per model; the paper's are grey and hatched.

    A star marks a value with a note.

    Args:
        rows: rows of the report `benchmark_comparison`.

    Raises:
        InputError: no rows.
    """
    refuse_empty(rows, "the report benchmark_comparison")
    labels = rows.select("label", "origin").unique(maintain_order=True).rows()
    # the paper's figure shows Table 5 (academic) before Table 4 (chat)
    columns = build_benchmark_columns().sort("report", "place", maintain_order=True)
    printed = columns.filter(pl.col("report") != "ablations")["bar"]
    shown = [name for name in printed if name in set(rows["benchmark"])]
    figure = Figure(figsize=(PAGE_WIDTH, 4.2), layout="constrained")
    axis = figure.subplots()
    width = 0.84 / len(labels)
    for place, (label, origin) in enumerate(labels):
        mine = {row["benchmark"]: row for row in rows.filter(label=label).iter_rows(named=True)}
        found = [name for name in shown if name in mine]
        paper = origin == "paper"
        axis.bar(
            [shown.index(name) - 0.42 + (place + 0.5) * width for name in found],
            [mine[name]["value"] for name in found],
            width * 0.92,
            yerr=[mine[name]["standard_error"] or np.nan for name in found],
            error_kw={"elinewidth": 1, "capsize": 2},
            label=f"{label} (paper)" if paper else label,
            color=str(0.45 + 0.1 * (place % 5)) if paper else OURS[place % len(OURS)],
            hatch="///" if paper else None,
            edgecolor="0.75" if paper else None,
        )
        for name in (name for name in found if mine[name]["note"]):
            where = (shown.index(name) - 0.42 + (place + 0.5) * width, mine[name]["value"])
            axis.annotate("*", where, ha="center", va="bottom")
    if rows["note"].count():
        axis.plot([], [], "k*", label="extrapolated to equal length")
    axis.set_xticks(range(len(shown)), [name.replace(" ", "\n", 1) for name in shown], fontsize=9)
    axis.set_ylabel("score (%)")
    axis.set_ylim(0, 100)
    finish(axis, "")
    axis.grid(visible=False, axis="x")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure
