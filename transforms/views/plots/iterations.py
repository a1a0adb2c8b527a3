"""Figures of the loop over its iterations, for the page: what each experiment's policies reach.

Not here: the figure of the asset page (`transforms.views.plots.progress`), the statistics that are
drawn (`transforms.measures.evaluation`). Every bar is one standard error, clustered by prompt.
"""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
from matplotlib.figure import Figure

from transforms.views.plots.figures import PAGE_WIDTH, refuse_empty
from transforms.views.plots.progress import draw_progress


class Metric(NamedTuple):
    """A panel."""

    name: str
    versus: str | None
    title: str


METRICS = (
    Metric("gold_reward", None, "gold reward"),
    Metric("reward", None, "reward model's reward"),
    Metric("kl_to_sft", None, "KL to the SFT policy (nats)"),
    Metric("response_tokens", None, "response length (tokens)"),
    Metric("win_rate_gold", "sft_policy", "win rate against SFT, gold reward"),
    Metric("win_rate_reward", "sft_policy", "win rate against SFT, reward model"),
)
COLUMNS = 3

MOST_LINES = 6
"""Most experiments of one figure; more would hide one another."""


def over_iterations(results: pl.DataFrame, experiments: Sequence[str]) -> Figure:
    """Draw every metric from the SFT policy to the last iteration, a line an experiment.

    Args:
        results: `evaluation_results`; the axes span all experiments, the drawn and the others.
        experiments: at most `MOST_LINES` of them.

    Raises:
        InputError: no results of sampled responses to the evaluation prompts.
    """
    shown = results.filter(split="evaluation", decoding="sampled")
    refuse_empty(shown, "evaluation_results of the evaluation split")
    metrics = _measured(shown)
    rows = -(-len(metrics) // COLUMNS)
    figure = Figure(figsize=(PAGE_WIDTH, 2.7 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axis, metric in zip(axes, metrics, strict=False):
        panel = _panel(shown, metric)
        draw_progress(axis, panel, list(experiments))
        axis.set_ylim(*_span(panel))
        axis.set_title(metric.title, fontsize=10)
        if metric.versus:
            axis.axhline(0.5, color="0.6", linewidth=0.8)
    for axis in axes[len(metrics) :]:
        axis.set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _measured(shown: pl.DataFrame) -> list[Metric]:
    return [metric for metric in METRICS if _panel(shown, metric).height]


def _panel(shown: pl.DataFrame, metric: Metric) -> pl.DataFrame:
    versus = pl.col("versus").eq_missing(pl.lit(metric.versus, pl.String))
    return shown.filter(pl.col("metric") == metric.name, versus)


def _span(panel: pl.DataFrame) -> tuple[float, float]:
    """Give the lowest and the highest end of an error bar, with a little room."""
    errors = panel["standard_error"].fill_null(0)
    low, high = (panel["value"] - errors).min(), (panel["value"] + errors).max()
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room
