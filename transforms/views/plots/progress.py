"""Figures of a study, as PNG bytes for the asset page and for docs.

Lives here: figures of training and evaluation. Not here: the statistics that are drawn
(`transforms.measures.evaluation`), figures of the data (`transforms.views.plots.preferences`).
"""

from collections.abc import Iterator, Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transforms.lake.asset_names import BASELINES
from transforms.lake.schemas.columns import SHARED
from transforms.views.plots.figures import COLOURS, finish, png, refuse_empty

LINES = {"offline_dpo": "--", "one_shot/policy": ":"}
"""Baselines drawn as horizontal lines, and their line styles."""

PANELS = {
    "reward": "reward model's reward",
    "gold_reward": "gold reward",
    "response_tokens": "response length (tokens)",
}


def iteration_progress(results: pl.DataFrame) -> bytes:
    """Draw reward, gold reward and length from the SFT policy to the last iteration.

    One row of panels a decoding, one colour an experiment, bars of one standard error, baselines as
    horizontal lines. Evaluation split only. Panels without values are left out.

    Args:
        results: `evaluation_results`.

    Raises:
        InputError: no evaluation results.
    """
    shown = results.filter(
        pl.col("split") == "evaluation", pl.col("versus").is_null(), pl.col("metric").is_in(PANELS)
    )
    refuse_empty(shown, "evaluation_results of the evaluation split")
    experiments = sorted(set(shown["experiment"]) - {SHARED})
    decodings = [name for name in ("sampled", "greedy") if name in set(shown["decoding"])]
    metrics = [name for name in PANELS if name in set(shown["metric"])]
    figure = Figure(figsize=(4.3 * len(metrics), 3.2 * len(decodings) + 0.9), layout="constrained")
    axes = figure.subplots(len(decodings), len(metrics), squeeze=False)
    for row, decoding in enumerate(decodings):
        for column, metric in enumerate(metrics):
            panel = shown.filter(pl.col("decoding") == decoding, pl.col("metric") == metric)
            draw_progress(axes[row, column], panel, experiments)
            axes[row, column].set_title(f"{PANELS[metric]}, {decoding}", fontsize=10)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(len(labels), 6), frameon=False
    )
    figure.suptitle("Evaluation prompts, mean ± standard error clustered by prompt", fontsize=11)
    return png(figure)


def training_curves(metrics: pl.DataFrame) -> bytes:
    """Draw every metric of training runs over optimiser steps, a panel each, a line each run.

    Args:
        metrics: `training_metrics` of one or more runs.

    Raises:
        InputError: no metrics.
    """
    refuse_empty(metrics, "training_metrics")
    names = sorted(set(metrics["metric"]))
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(4.3 * columns, 2.6 * rows + 0.8), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, name in zip(axes, names, strict=False):
        panel = metrics.filter(pl.col("metric") == name)
        for label, run, colour in _runs(panel, metrics):
            style = {"marker": "."} if run.height < 40 else {}
            axis.plot(run["step"], run["value"], label=label, color=colour, linewidth=1.2, **style)
        axis.set_title(name, fontsize=10)
        finish(axis, "optimiser step")
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    handles = {
        label: handle
        for axis in axes[: len(names)]
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=3, frameon=False
    )
    figure.suptitle("Training", fontsize=11)
    return png(figure)


def reward_histogram(scores: pl.DataFrame) -> bytes:
    """Draw the distribution of rewards, one outline an experiment and iteration, common bins.

    Args:
        scores: `scores` of one or more slices.

    Raises:
        InputError: no scores.
    """
    refuse_empty(scores, "scores")
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axis = figure.subplots()
    low, high = scores["reward"].min(), scores["reward"].max()
    bins = 40 if low == high else [low + (high - low) * step / 40 for step in range(41)]
    slices = scores.partition_by("experiment", "iteration", as_dict=True, maintain_order=False)
    for number, ((experiment, iteration), rows) in enumerate(sorted(slices.items())):
        label = f"{experiment}, iteration {iteration} (mean {rows['reward'].mean():.3g})"
        colour = COLOURS[number % len(COLOURS)]
        axis.hist(
            rows["reward"],
            bins,
            density=True,
            histtype="step",
            label=label,
            color=colour,
            linewidth=1.4,
        )
    axis.set_title("Rewards of sampled responses", fontsize=11)
    axis.set_ylabel("density")
    finish(axis, "reward model's reward")
    axis.legend(fontsize=8, frameon=False)
    return png(figure)


def draw_progress(axis: Axes, panel: pl.DataFrame, experiments: Sequence[str]) -> None:
    """Draw one metric from the SFT policy to the last iteration, a line an experiment.

    Args:
        axis: where.
        panel: `evaluation_results` of one metric, split and decoding.
        experiments: those that have a line; the baselines are drawn as horizontal ones.
    """
    shared = panel.filter(pl.col("experiment") == SHARED)
    start = shared.filter(pl.col("model") == "sft_policy")
    for model, style in LINES.items():
        for value in shared.filter(pl.col("model") == model)["value"]:
            axis.axhline(
                value, label=BASELINES[model], linestyle=style, color="0.45", linewidth=1.2
            )
    last = panel["iteration"].max()
    for number, experiment in enumerate(experiments or [SHARED]):
        iterates = panel.filter(pl.col("experiment") == experiment, pl.col("iteration") > 0)
        line = pl.concat([start, iterates.sort("iteration")])
        # experiments stand side by side, so that their error bars do not cover one another
        shift = (number - (len(experiments) - 1) / 2) * 0.05
        axis.errorbar(
            line["iteration"] + (shift if experiments else 0),
            line["value"],
            yerr=line["standard_error"].fill_null(0),
            label=experiment if experiments else BASELINES["sft_policy"],
            color=COLOURS[number % len(COLOURS)],
            marker="o",
            markersize=4,
            capsize=3,
            linewidth=1.5,
        )
    axis.set_xticks(range(last + 1), [BASELINES["sft_policy"], *map(str, range(1, last + 1))])
    axis.set_xlim(-0.3, last + 0.3)
    finish(axis, "iteration")


def _runs(
    panel: pl.DataFrame, metrics: pl.DataFrame
) -> Iterator[tuple[str, pl.DataFrame, tuple[float, float, float]]]:
    """Yield label, rows by step and colour of each run; a run keeps its colour in every panel."""
    keys = metrics.select("experiment", "asset").unique().sort("experiment", "asset").rows()
    for number, (experiment, asset) in enumerate(keys):
        run = panel.filter(pl.col("experiment") == experiment, pl.col("asset") == asset)
        if run.height:
            label = asset if experiment == SHARED else f"{experiment}: {asset}"
            yield label, run.sort("step"), COLOURS[number % len(COLOURS)]
