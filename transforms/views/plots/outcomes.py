"""Figure of outcomes: one line per experiment (its selected policy) and per baseline.

Not here: the values (`sql/reports/experiment_outcomes.sql`), their mean over seeds
(`transforms.measures.seeds`).
"""

from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transforms.lake.asset_names import REPORTED_BASELINES
from transforms.views.plots.figures import COLOURS, PAGE_WIDTH, finish, refuse_empty

PANELS = {
    "gold_reward": "gold reward",
    "reward": "reward",
    "win_rate_gold": "win rate over π₀,\ngold reward",
    "win_rate_reward": "win rate over π₀,\nreward",
    "kl_to_initial": "KL to π₀\n(nats)",
    "response_chars": "response length\n(characters)",
}


def plot_outcomes(outcomes: pl.DataFrame, lakes: Sequence[pl.DataFrame] = ()) -> Figure:
    """Plot one panel per metric, one line per experiment: value and error; baselines in grey.

    Args:
        outcomes: rows of the report `experiment_outcomes` of one decoding, or their mean over
            seeds.
        lakes: the same rows of each seed, plotted as small dots.

    Raises:
        InputError: no rows.
    """
    names = outcomes["experiment"].to_list()
    figure, panels = _make_panels(outcomes, names)
    for panel, axis in panels.items():
        for rows in lakes:
            places = [names.index(name) for name in rows["experiment"]]
            axis.plot(rows[panel], places, "o", color="0.6", markersize=3, alpha=0.8)
        _plot_values(axis, outcomes, panel, names, mark="D" if lakes else "o")
    return figure


def plot_both_decodings(outcomes: pl.DataFrame) -> Figure:
    """Plot one panel per metric, one line per experiment: sampled with full marks, greedy hollow.

    Args:
        outcomes: rows of the report `experiment_outcomes`.

    Raises:
        InputError: no rows.
    """
    names = outcomes["experiment"].unique(maintain_order=True).to_list()
    figure, panels = _make_panels(outcomes, names)
    for panel, axis in panels.items():
        for decoding, shift in (("sampled", -0.15), ("greedy", 0.15)):
            rows = outcomes.filter(decoding=decoding)
            _plot_values(axis, rows, panel, names, shift=shift, hollow=decoding == "greedy")
    return figure


def _make_panels(outcomes: pl.DataFrame, names: Sequence[str]) -> tuple[Figure, dict[str, Axes]]:
    """Make a figure with one panel per metric that has values, and one line per name."""
    refuse_empty(outcomes, "the report experiment_outcomes")
    shown = {name: title for name, title in PANELS.items() if _has_values(outcomes, name)}
    figure = Figure(figsize=(PAGE_WIDTH, 0.3 * len(names) + 1.1), layout="constrained")
    axes = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axis, title in zip(axes, shown.values(), strict=True):
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=8)
        finish(axis, "")
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    return figure, dict(zip(shown, axes, strict=True))


def _plot_values(
    axis: Axes,
    outcomes: pl.DataFrame,
    panel: str,
    names: Sequence[str],
    *,
    mark: str = "o",
    shift: float = 0,
    hollow: bool = False,
) -> None:
    """Plot the values of a metric with their errors, each on the line of its name."""
    for row in outcomes.drop_nulls(panel).iter_rows(named=True):
        axis.errorbar(
            row[panel],
            names.index(row["experiment"]) + shift,
            xerr=row[f"{panel}_se"],
            fmt=mark,
            fillstyle="none" if hollow else "full",
            markersize=4.5,
            capsize=2.5,
            color="0.5" if row["experiment"] in REPORTED_BASELINES else COLOURS[0],
        )


def _has_values(outcomes: pl.DataFrame, name: str) -> bool:
    return name in outcomes.columns and outcomes[name].null_count() < outcomes.height
