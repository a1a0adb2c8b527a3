"""Figure of outcomes: one line per experiment (its selected policy) and per baseline.

Not here: the values (`sql/reports/experiment_outcomes.sql`), their mean over seeds
(`transforms.measures.seeds`).
"""

from collections.abc import Sequence

import polars as pl
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
    refuse_empty(outcomes, "the report experiment_outcomes")
    names = outcomes["experiment"].to_list()
    shown = {name: title for name, title in PANELS.items() if _has_values(outcomes, name)}
    figure = Figure(figsize=(PAGE_WIDTH, 0.27 * len(names) + 1.1), layout="constrained")
    axes = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axis, (panel, title) in zip(axes, shown.items(), strict=True):
        for rows in lakes:
            places = [names.index(name) for name in rows["experiment"]]
            axis.plot(rows[panel], places, "o", color="0.6", markersize=3, alpha=0.8)
        for place, row in enumerate(outcomes.iter_rows(named=True)):
            if row[panel] is None:
                continue
            axis.errorbar(
                row[panel],
                place,
                xerr=row[f"{panel}_se"],
                fmt="D" if lakes else "o",
                markersize=4,
                capsize=2.5,
                color="0.5" if row["experiment"] in REPORTED_BASELINES else COLOURS[0],
            )
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=8)
        finish(axis, "")
    axes[0].set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    return figure


def _has_values(outcomes: pl.DataFrame, name: str) -> bool:
    return name in outcomes.columns and outcomes[name].null_count() < outcomes.height
