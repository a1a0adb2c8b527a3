"""Figure of over-optimisation: reward and gold reward by the distance from π₀.

Gao et al. 2023 (arXiv 2210.10760) and Bai et al. 2022 (arXiv 2204.05862) plot rewards by the square
root of the KL divergence. Not here: the values (`sql/reports/reward_by_kl.sql`).
"""

from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transforms.lake.asset_names import INITIAL_POLICIES
from transforms.lake.schemas.table import SHARED
from transforms.views.plots.figures import (
    PAGE_WIDTH,
    Colour,
    add_shared_legend,
    finish,
    make_panels,
    refuse_empty,
    render_png,
    style_line,
)

PANELS = {"reward": "reward", "gold_reward": "gold reward"}
MARKS = ("s", "^", "D")
"""Marks of the baselines other than π₀, in their order."""


def render_reward_by_kl(rows: pl.DataFrame) -> bytes:
    """Render the figure of `plot_reward_by_kl` of all experiments as PNG, with a title."""
    figure = plot_reward_by_kl(rows, sorted(set(rows["experiment"]) - {SHARED}))
    figure.suptitle(
        "Sampled responses to the evaluation prompts, ± standard error clustered by prompt",
        fontsize=11,
    )
    return render_png(figure)


def plot_reward_by_kl(rows: pl.DataFrame, experiments: Sequence[str]) -> Figure:
    """Plot each reward by the square root of the KL: a line from π₀ through the iterations.

    A point has the number of its iteration. The baselines are grey marks. A reward without values
    has no panel.

    Args:
        rows: the report `reward_by_kl`.
        experiments: experiments to plot.

    Raises:
        InputError: no rows.
    """
    refuse_empty(rows, "the report reward_by_kl")
    shown = [name for name in PANELS if rows[name].null_count() < rows.height]
    figure, axes = make_panels(
        len(shown), len(shown), width=PAGE_WIDTH * len(shown) / 2, row_height=3.9, room=0.6
    )
    for axis, name in zip(axes, shown, strict=True):
        _plot_baselines(axis, rows.filter(experiment=SHARED), name)
        for number, experiment in enumerate(experiments):
            start = rows.filter(pl.col("model").is_in(INITIAL_POLICIES), experiment=SHARED)
            line = pl.concat([start, rows.filter(experiment=experiment).sort("iteration")])
            style = style_line(number)
            _plot_points(axis, line, name, label=experiment, marker="o", **style)
            for row in line.filter(pl.col("iteration") > 0).iter_rows(named=True):
                axis.annotate(
                    str(row["iteration"]),
                    (row["sqrt_kl"], row[name]),
                    xytext=(4, 4),
                    textcoords="offset points",
                    fontsize=8,
                    color=style["color"],
                )
        axis.set_title(PANELS[name], fontsize=10)
        axis.set_ylabel("reward units")
        finish(axis, "√KL to π₀ (√nats)")
    add_shared_legend(figure, axes, columns=6)
    return figure


def _plot_baselines(axis: Axes, rows: pl.DataFrame, name: str) -> None:
    """Plot the models that all experiments share as grey marks."""
    marks = iter(MARKS)
    for row in rows.partition_by("model", maintain_order=True):
        model = row["model"][0]
        mark = "o" if model in INITIAL_POLICIES else next(marks)
        _plot_points(axis, row, name, label=model, color="0.45", marker=mark, zorder=4)


def _plot_points(
    axis: Axes,
    rows: pl.DataFrame,
    name: str,
    *,
    label: str,
    color: Colour | str,
    marker: str,
    linestyle: str = "none",
    zorder: int = 3,
) -> None:
    axis.errorbar(
        rows["sqrt_kl"],
        rows[name],
        xerr=rows["sqrt_kl_se"].fill_null(0),
        yerr=rows[f"{name}_se"].fill_null(0),
        label=label,
        color=color,
        marker=marker,
        linestyle=linestyle,
        markersize=4,
        capsize=2,
        linewidth=1.5,
        elinewidth=1,
        zorder=zorder,
    )
