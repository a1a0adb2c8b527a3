"""Figure of an experiment's health: each watched statistic over iterations, with its bound.

Not here: the statistics (`transforms.measures.health`).
"""

from collections.abc import Mapping
from typing import cast

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transforms.measures.health.watched import WATCHED, Watched
from transforms.views.plots.figures import (
    PAGE_WIDTH,
    add_shared_legend,
    finish,
    make_panels,
    refuse_empty,
    render_png,
    style_line,
)

COLUMNS = 4
TITLES = {
    "reward_length_correlation": "r of reward and length",
    "chosen_to_rejected_chars": "chosen to rejected length",
    "longer_chosen_share": "longer chosen",
    "length_growth": "length over iteration 1's",
    "repeated_4gram_share": "repeated runs of 4 words",
    "duplicate_share": "duplicates",
    "truncated_share": "cut at the limit",
    "refusal_share": "refusals",
    "ranker_agreement": "agreement with another ranker",
    "member_agreement": "agreement within the ensemble",
    "reward_accuracy_drop": "drop of held-out accuracy",
}
"""Names of the watched statistics, also in the tables of the HTML report."""


def render_health(rows: pl.DataFrame, bounds: Mapping[str, float | None]) -> bytes:
    """Render the figure of `plot_health` as PNG, with a title."""
    figure = plot_health(rows, bounds)
    figure.suptitle(
        "Responses and pairs before training, ± standard error clustered by prompt", fontsize=11
    )
    return render_png(figure)


def plot_health(rows: pl.DataFrame, bounds: Mapping[str, float | None]) -> Figure:
    """Plot every watched statistic over iterations, one line per experiment, its bound dashed.

    Bars are one standard error. Statistics without a value are left out.

    Args:
        rows: `iteration_health`.
        bounds: bounds by name of the setting; no line for a missing bound or None.

    Raises:
        InputError: no rows.
    """
    refuse_empty(rows, "iteration_health")
    shown = [one for one in WATCHED if rows[one.metric].null_count() < rows.height]
    figure, axes = make_panels(len(shown), COLUMNS, width=PAGE_WIDTH, row_height=2.4, room=0.9)
    for axis, watched in zip(axes, shown, strict=True):
        _plot_metric(axis, rows, watched, bounds.get(watched.setting))
    add_shared_legend(figure, axes, columns=6)
    return figure


def _plot_metric(axis: Axes, rows: pl.DataFrame, watched: Watched, bound: float | None) -> None:
    experiments = sorted(set(rows["experiment"]))
    for number, experiment in enumerate(experiments):
        line = rows.filter(experiment=experiment).sort("iteration")
        # a small shift per experiment, so that error bars do not hide one another
        shift = (number - (len(experiments) - 1) / 2) * 0.05
        axis.errorbar(
            line["iteration"] + shift,
            line[watched.metric],
            yerr=line[f"{watched.metric}_se"].fill_null(0),
            label=experiment,
            **style_line(number),
            marker="o",
            markersize=4,
            capsize=3,
            linewidth=1.5,
        )
    if bound is not None:
        axis.axhline(bound, linestyle="--", color="0.45", linewidth=1.2)
    last = cast(int, rows["iteration"].max())
    axis.set_xticks(range(1, last + 1))
    axis.set_xlim(0.6, last + 0.4)
    share = " (share)" if watched.metric.endswith("_share") else ""
    axis.set_title(TITLES[watched.metric] + share, fontsize=10)
    finish(axis, "iteration")
