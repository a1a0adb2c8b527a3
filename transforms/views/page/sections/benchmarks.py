"""Sections of benchmark results, ours and the paper's: Tables 4, 5 and 6, Figure 8."""

from collections.abc import Sequence

import polars as pl

from transforms.formats import ID_CHARS
from transforms.public_sets.registry import list_report_columns
from transforms.views.page.blocks import Block, Figure, Section
from transforms.views.page.cells import make_table
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
"""Columns that are not shown: the label, the style of the row and the caption show the same."""


def show_chat(source: Source) -> Section:
    """Show Table 4."""
    return _section(
        source,
        "chat_benchmarks",
        "Chat benchmarks (Table 4)",
        "How a judge rates the policies' answers. A result depends on its judge: ours are "
        "comparable with the paper's, whose judge is GPT-4, only if the judge is the same.",
    )


def show_academic(source: Source) -> Section:
    """Show Table 5."""
    return _section(
        source,
        "academic_benchmarks",
        "Academic benchmarks (Table 5)",
        "How preference training changed other abilities.",
    )


def show_ablations(source: Source) -> Section:
    """Show Table 6."""
    return _section(
        source,
        "ablations",
        "Reward model and length penalty (Table 6)",
        "The effect of the ranker and of the length penalty on the policy and on the length of its "
        "answers to Arena-Hard.",
        " The paper gives no unit of its lengths. Its TruthfulQA result of “Ours” is 62.2 here and "
        "60.4 in its Table 5; each is shown as printed.",
    )


def show_figure_8(source: Source) -> Section:
    """Show Figure 8."""
    rows = source.report("benchmark_comparison")
    blocks: Sequence[Block] = ()
    if rows.height:
        blocks = [
            Figure(
                "All benchmarks; the score of MT-Bench is multiplied by five, as in the paper. "
                "Coloured bars are models of this lake, with one standard error; grey bars are the "
                "paper's models. A star marks an extrapolation to equal length.",
                render_svg(plot_benchmarks(rows), f"{source.name}-figure-8"),
            )
        ]
    return Section(
        "figure_8",
        "All benchmarks side by side (Figure 8)",
        "Tables 4 and 5 as a figure.",
        blocks,
        absent="" if blocks else source.explain_empty("benchmark_comparison"),
    )


def _section(source: Source, report: str, title: str, lead: str, note: str = "") -> Section:
    rows = source.report(report)
    blocks: Sequence[Block] = ()
    if rows.height:
        printed = ", ".join(rows["source"].drop_nulls().unique().sort())
        blocks = [
            make_table(
                rows.with_columns(pl.col("^judge_id$").str.head(ID_CHARS)),
                "± is one standard error over the items; the paper gives none. Empty cells were "
                "not measured. Grey rows are the paper's, as printed (arXiv 2405.07863, version "
                f"3, {printed}).{note}",
                titles=TITLES,
                units=UNITS,
                decimals=DECIMALS,
                kind=lambda row: "paper" if row["origin"] == "paper" else "",
                hidden=HIDDEN,
            )
        ]
    return Section(
        report, title, lead, blocks, absent="" if blocks else source.explain_empty(report)
    )
