"""Figures of evaluation results over the iterations, for Dagster's asset page and the HTML page.

Every bar is one standard error, clustered by prompt. Not here: the statistics
(`transforms.measures.evaluation`), figures of training (`transforms.views.plots.training`).
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transforms.lake.asset_names import INITIAL_POLICIES, OFFLINE, reported_name
from transforms.lake.schemas.evaluation import DECODINGS
from transforms.lake.schemas.table import SHARED
from transforms.views.plots.figures import (
    DIALOG_WIDTH,
    PAGE_WIDTH,
    add_shared_legend,
    finish,
    make_panels,
    refuse_empty,
    render_png,
    style_line,
)

LINES = {OFFLINE: "--", "one_shot/policy": ":"}
"""Baselines that are horizontal lines, with their line styles."""


class Metric(NamedTuple):
    """The metric of a panel."""

    name: str
    title: str
    against_initial: bool = False
    """Whether it compares with π₀; no other metric compares two models."""


REWARD = Metric("reward", "reward")
GOLD_REWARD = Metric("gold_reward", "gold reward")
TOKENS = Metric("response_tokens", "response length (tokens)")

SUMMARY = (REWARD, GOLD_REWARD, TOKENS)
"""Panels of the asset page."""
METRICS = (
    GOLD_REWARD,
    REWARD,
    Metric("kl_to_initial", "KL to π₀ (nats)"),
    TOKENS,
    Metric("win_rate_gold", "win rate over π₀, gold reward", against_initial=True),
    Metric("win_rate_reward", "win rate over π₀, reward", against_initial=True),
)
"""Panels of the HTML page."""
COLUMNS = 3

MOST_LINES = 6
"""Maximum number of experiments in one figure; the lines of more would hide one another."""


def render_progress(results: pl.DataFrame) -> bytes:
    """Plot reward, gold reward and length from π₀ to the last iteration, as PNG.

    One row of panels per decoding, one colour per experiment, baselines as horizontal lines; only
    the evaluation split. Metrics without values are left out.

    Args:
        results: `evaluation_results`.

    Raises:
        InputError: no evaluation results.
    """
    shown = results.filter(
        pl.col("split") == "evaluation",
        pl.col("versus").is_null(),
        pl.col("metric").is_in([metric.name for metric in SUMMARY]),
    )
    refuse_empty(shown, "evaluation_results of the evaluation split")
    experiments = sorted(set(shown["experiment"]) - {SHARED})
    decodings = [name for name in DECODINGS if name in set(shown["decoding"])]
    metrics = _select_metrics(shown, SUMMARY)
    panels = [(metric, decoding) for decoding in decodings for metric in metrics]
    columns = len(metrics)
    figure, axes = make_panels(len(panels), columns, width=DIALOG_WIDTH, row_height=2.6, room=0.9)
    for axis, (metric, decoding) in zip(axes, panels, strict=True):
        _plot_metric(axis, _select_metric(shown.filter(decoding=decoding), metric), experiments)
        axis.set_title(f"{metric.title}, {decoding}", fontsize=10)
    add_shared_legend(figure, axes, columns=6)
    figure.suptitle("Evaluation prompts, mean ± standard error clustered by prompt", fontsize=11)
    return render_png(figure)


def plot_progress(results: pl.DataFrame, experiments: Sequence[str]) -> Figure:
    """Plot every metric from π₀ to the last iteration, one line per experiment.

    Args:
        results: `evaluation_results`; the axes span all experiments, plotted or not.
        experiments: experiments to plot, at most `MOST_LINES`.

    Raises:
        InputError: no results of sampled responses to the evaluation prompts.
    """
    shown = results.filter(split="evaluation", decoding="sampled")
    refuse_empty(shown, "evaluation_results of the evaluation split")
    metrics = _select_metrics(shown, METRICS)
    figure, axes = make_panels(len(metrics), COLUMNS, width=PAGE_WIDTH, row_height=2.7, room=0.6)
    for axis, metric in zip(axes, metrics, strict=True):
        panel = _select_metric(shown, metric)
        _plot_metric(axis, panel, list(experiments))
        axis.set_ylim(*_find_span(panel))
        axis.set_title(metric.title, fontsize=10)
        if metric.against_initial:
            axis.axhline(0.5, color="0.6", linewidth=0.8)
    add_shared_legend(figure, axes, columns=4)
    return figure


def _select_metrics(shown: pl.DataFrame, metrics: Sequence[Metric]) -> list[Metric]:
    return [metric for metric in metrics if _select_metric(shown, metric).height]


def _select_metric(shown: pl.DataFrame, metric: Metric) -> pl.DataFrame:
    initial = pl.col("versus").is_in(INITIAL_POLICIES)
    versus = initial if metric.against_initial else pl.col("versus").is_null()
    return shown.filter(pl.col("metric") == metric.name, versus)


def _plot_metric(axis: Axes, panel: pl.DataFrame, experiments: Sequence[str]) -> None:
    """Plot one metric from π₀ to the last iteration, one line per experiment.

    Args:
        axis: the panel.
        panel: `evaluation_results` of one metric, split and decoding.
        experiments: experiments to plot; without any, only the shared models are plotted.
    """
    shared = panel.filter(pl.col("experiment") == SHARED)
    start = shared.filter(pl.col("model").is_in(INITIAL_POLICIES))
    initial = next(iter(start["model"]), INITIAL_POLICIES[0])
    for model, style in LINES.items():
        for value in shared.filter(pl.col("model") == model)["value"]:
            axis.axhline(
                value, label=reported_name(model), linestyle=style, color="0.45", linewidth=1.2
            )
    last = cast(int, panel["iteration"].max())
    for number, experiment in enumerate(experiments or [SHARED]):
        trained = panel.filter(pl.col("experiment") == experiment, pl.col("iteration") > 0)
        line = pl.concat([start, trained.sort("iteration")])
        # a small shift per experiment, so that error bars do not hide one another
        shift = (number - (len(experiments) - 1) / 2) * 0.05
        axis.errorbar(
            line["iteration"] + (shift if experiments else 0),
            line["value"],
            yerr=line["standard_error"].fill_null(0),
            label=experiment if experiments else initial,
            **style_line(number),
            marker="o",
            markersize=4,
            capsize=3,
            linewidth=1.5,
        )
    axis.set_xticks(range(last + 1))
    axis.set_xlim(-0.3, last + 0.3)
    finish(axis, f"iteration (0: {initial})")


def _find_span(panel: pl.DataFrame) -> tuple[float, float]:
    """Return the lowest and the highest end of the error bars, with a margin."""
    errors = panel["standard_error"].fill_null(0)
    low = cast(float, (panel["value"] - errors).min())
    high = cast(float, (panel["value"] + errors).max())
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room
