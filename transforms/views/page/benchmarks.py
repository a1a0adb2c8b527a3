"""The paper's tables of benchmarks with our rows beside its own: Tables 4, 5, 6 and Figure 8."""

from collections.abc import Sequence

import polars as pl

from transforms.formats import ID_CHARS
from transforms.public_sets.registry import list_report_columns
from transforms.views.page.blocks import Block, Figure, Section
from transforms.views.page.cells import table
from transforms.views.page.opened_lake import Source
from transforms.views.plots.benchmarks import plot_benchmarks
from transforms.views.plots.figures import render_svg

COLUMNS = list_report_columns()

TITLES = {
    "label": "model",
    **{column.name: column.title for column in COLUMNS},
    "judge_id": "judge",
}
UNITS = {"label": "", **{column.name: column.unit for column in COLUMNS}, "judge_id": ""}
DECIMALS = {column.name: column.decimals for column in COLUMNS}

HIDDEN = ("origin", "experiment", "model", "policy_id", "source")
"""Columns that are not shown: `label`, the look of a row and the caption have what they say."""


def chat(source: Source) -> Section:
    """Show Table 4."""
    return _section(
        source,
        "chat_benchmarks",
        "Chat benchmarks (Table 4)",
        "How a judge rates the policies' answers. A figure holds for its judge: ours are not "
        "comparable with the paper's, whose judge is GPT-4, unless the judge is the same.",
    )


def academic(source: Source) -> Section:
    """Show Table 5."""
    return _section(
        source,
        "academic_benchmarks",
        "Academic benchmarks (Table 5)",
        "What the training for preference did to other abilities.",
    )


def ablations(source: Source) -> Section:
    """Show Table 6."""
    return _section(
        source,
        "ablations",
        "Reward model and length penalty (Table 6)",
        "What the ranker and the length penalty do to the policy, and to the length of its answers "
        "to Arena-Hard.",
        " The paper does not name the unit of its lengths. Its TruthfulQA of “Ours” is 62.2 here, "
        "60.4 in its Table 5: each is kept as printed.",
    )


def figure_8(source: Source) -> Section:
    """Show Figure 8."""
    rows = source.report("benchmark_comparison")
    blocks: Sequence[Block] = ()
    if rows.height:
        blocks = [
            Figure(
                "Every benchmark, MT-Bench's score times five as in the paper. Bars in colour are "
                "models of this lake, with one standard error; grey ones the paper's.",
                render_svg(plot_benchmarks(rows), f"{source.name}-figure-8"),
            )
        ]
    return Section(
        "figure_8",
        "All benchmarks side by side (Figure 8)",
        "Tables 4 and 5 as a picture.",
        blocks,
        absent="No benchmark was run on a model of this lake.",
    )


def _section(source: Source, report: str, title: str, lead: str, note: str = "") -> Section:
    rows = source.report(report)
    blocks: Sequence[Block] = ()
    if rows.height:
        printed = ", ".join(rows["source"].drop_nulls().unique().sort())
        blocks = [
            table(
                rows.with_columns(pl.col("^judge_id$").str.head(ID_CHARS)),
                "± is one standard error over the items; the paper gives none. Empty: not "
                "measured. In grey: the paper's own rows, as printed (arXiv 2405.07863, version "
                f"3, {printed}).{note}",
                titles=TITLES,
                units=UNITS,
                decimals=DECIMALS,
                kind=lambda row: "paper" if row["origin"] == "paper" else "",
                hidden=HIDDEN,
            )
        ]
    return Section(
        report, title, lead, blocks, absent="No such benchmark was run on a model of this lake."
    )
