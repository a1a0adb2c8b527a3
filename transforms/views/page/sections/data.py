"""Sections of preference data, dropped rows, and rankers on labelled pairs (Tables 1 and 2)."""

import polars as pl

from transforms.formats import ID_CHARS
from transforms.views.page.blocks import Block, Figure, Section
from transforms.views.page.cells import make_table
from transforms.views.page.opened_lake import Source
from transforms.views.plots.figures import render_svg
from transforms.views.plots.preferences import plot_kept_and_dropped

PARTS = ("prompt", "chosen", "rejected")
LENGTHS = (
    *(f"{origin}{part}_tokens" for part in PARTS for origin in ("", "paper_")),
    *(f"{part}_chars" for part in PARTS),
    "margin",
    "longer_chosen_share",
    "tokenizer_id",
)
"""Columns of Table 1 that are means per pair."""

REWARD_BENCH_TITLES = {
    f"{section}{end}": f"{section.replace('_', ' ').title()}{title}"
    for section in ("chat", "chat_hard", "safety", "reasoning")
    for end, title in (("", ""), ("_longer", ", length alone"))
}


def show_pairs(source: Source) -> Section:
    """Show each source of comparisons, with the values of the paper's Table 1."""
    rows = source.report("preference_statistics")
    blocks: list[Block] = []
    if rows.height:
        counts = [name for name in rows.columns if name not in LENGTHS]
        lengths = rows.select("source", *LENGTHS).with_columns(pl.col("tokenizer_id").str.head(8))
        blocks += [
            make_table(
                rows.select(counts).unique("source").sort("source"),
                "Comparisons by source; columns “paper” are the published values of the same "
                "dataset (arXiv 2405.07863, Table 1).",
                titles={"kept_fraction": "kept of candidates"},
            ),
            make_table(
                lengths,
                "Mean lengths per pair, the margin of the labels, and how often the longer "
                "response is the chosen one.",
                titles={name: name.rsplit("_", 1)[0].replace("_", " ") for name in LENGTHS[:-1]}
                | {"margin": "margin", "longer_chosen_share": "longer chosen"},
            ),
        ]
        drawing = plot_kept_and_dropped(rows, source.report("dropped_by_reason"))
        blocks.append(
            Figure(
                "Shares of each source's candidate pairs that were kept or dropped, by reason.",
                render_svg(drawing, f"{source.name}-kept"),
            )
        )
    return Section(
        "pairs",
        "Preference data (Table 1)",
        "The training data of the reward model and of the offline baseline.",
        blocks,
        absent="The lake has no preference pairs.",
    )


def show_dropped(source: Source) -> Section:
    """Show the rows that a rule dropped, by reason."""
    rows = source.report("dropped_by_reason")
    return Section(
        "dropped",
        "Dropped rows",
        "Rows that rules dropped, counted by reason.",
        [
            make_table(
                rows,
                "Dropped rows by table, origin (a source; for DPO pairs, experiment and iteration) "
                "and reason.",
                titles={"share_of_dropped": "of all dropped rows of the origin"},
                units={"share_of_dropped": "share"},
                folded=rows.height > 30,
            )
        ]
        if rows.height
        else [],
        absent="No row was dropped.",
    )


def show_reward_bench(source: Source) -> Section:
    """Show the rankers on RewardBench with the rows of the paper's Table 2, and on other sets."""
    rows = source.report("reward_bench")
    blocks: list[Block] = []
    if rows.height:
        blocks.append(
            make_table(
                rows.with_columns(pl.col("model_id").str.head(ID_CHARS)),
                "Accuracy by section, per cent; ± is one standard error in percentage points, "
                "clustered by prompt; “length alone” is the accuracy of preferring the longer "
                "response. Grey rows are the paper's (arXiv 2405.07863, Table 2).",
                titles=REWARD_BENCH_TITLES,
                units=dict.fromkeys(REWARD_BENCH_TITLES, "%"),
                decimals=dict.fromkeys(REWARD_BENCH_TITLES, 1),
                kind=lambda row: "paper" if row["origin"] == "paper" else "",
                hidden=("origin",),
            )
        )
    others = source.report("labelled_pairs").filter(pl.col("bench") != "reward_bench")
    if others.height:
        accuracies = ("accuracy", "longer_wins")
        blocks.append(
            make_table(
                others.with_columns(pl.col("model_id").str.head(ID_CHARS)),
                "Other sets by section and subset: accuracy, per cent, ± one standard error "
                "clustered by prompt, and the accuracy by length alone.",
                titles={"longer_wins": "length alone"},
                units=dict.fromkeys(accuracies, "%"),
                decimals=dict.fromkeys(accuracies, 1),
            )
        )
    return Section(
        "reward_bench",
        "Rankers on labelled pairs (Table 2)",
        "How often a ranker prefers the better of two labelled responses that are new to it.",
        blocks,
        absent="" if blocks else source.explain_empty("labelled_pairs"),
    )
