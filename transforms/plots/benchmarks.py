"""Figure 8 of the paper: models side by side on every benchmark, ours with error bars.

Not here: the figures (`sql/reports/chat_benchmarks.sql`, `academic_benchmarks.sql`).
"""

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from transforms.plots.figures import MANY_COLOURS, PAGE_WIDTH, finish, refuse_empty

BENCHMARKS = {
    "gsm8k": "GSM8K",
    "mmlu": "MMLU",
    "humaneval": "HumanEval",
    "truthfulqa": "TruthfulQA",
    "arc": "ARC",
    "mbpp": "MBPP",
    "alpaca_eval_lc": "LC\nAlpacaEval 2",
    "mt_bench": "MT-Bench\n(×5)",
    "arena_hard": "Arena-Hard",
}
"""Benchmarks in the order of the paper's figure, all on a scale that ends at about a hundred."""

OURS = [colour for colour in MANY_COLOURS if max(colour) - min(colour) > 0.1]
"""Colours of our models; greys are the paper's."""

FACTORS = {"mt_bench": 5.0}
"""What the paper multiplies a score with, so that it fits beside percentages."""

PUBLISHED = (
    "LLaMA-3-8B-it",
    "Ours (SFT baseline)",
    "Ours (DPO baseline)",
    "Ours (Iterative RLHF)",
)
"""The paper's models of its figure."""


def bars(chat: pl.DataFrame, academic: pl.DataFrame) -> pl.DataFrame:
    """Bring both reports into the figure's rows.

    Args:
        chat: rows of the report `chat_benchmarks`.
        academic: rows of the report `academic_benchmarks`.

    Returns:
        label, origin, benchmark, value, standard_error: a row a bar, in order; nothing measured,
        no row.
    """
    return pl.concat([_long(chat), _long(academic)]).unique(
        ["label", "benchmark"], keep="first", maintain_order=True
    )


def benchmark_bars(rows: pl.DataFrame) -> Figure:
    """Draw a group of bars a benchmark, a bar a model; the paper's models are grey and hatched.

    Raises:
        InputError: no rows.
    """
    refuse_empty(rows, "the reports chat_benchmarks and academic_benchmarks")
    labels = rows.select("label", "origin").unique(maintain_order=True).rows()
    labels.sort(key=lambda label: label[1] != "ours")
    shown = [name for name in BENCHMARKS if name in set(rows["benchmark"])]
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
    axis.set_xticks(range(len(shown)), [BENCHMARKS[name] for name in shown], fontsize=9)
    axis.set_ylabel("score (%)")
    axis.set_ylim(0, 100)
    finish(axis, "")
    axis.grid(visible=False, axis="x")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def _long(report: pl.DataFrame) -> pl.DataFrame:
    shown = report.filter((pl.col("origin") == "ours") | pl.col("model").is_in(PUBLISHED))
    names = [name for name in BENCHMARKS if name in report.columns]
    parts = [
        shown.select(
            "label",
            "origin",
            benchmark=pl.lit(name),
            value=pl.col(name) * FACTORS.get(name, 1.0),
            standard_error=pl.col(f"{name}_se") * FACTORS.get(name, 1.0),
        )
        for name in names
    ]
    return pl.concat(parts).drop_nulls("value")
