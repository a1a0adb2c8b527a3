"""Entries for common formats of datasets, and layouts that several entries share.

Not here: single datasets (the other files of this package).
"""

import polars as pl

from transforms.lake.schemas.table import MESSAGES
from transforms.settings.source_options import SourceOptions
from transforms.settings.sources import Role
from transforms.sources.layouts.comparisons import NO_VERDICT, pair_conversations
from transforms.sources.layouts.conversations import drop_last_turn
from transforms.sources.layouts.entry import Entry, Layout


def to_demonstrations(messages: pl.Expr) -> Layout:
    """Return the layout of rows whose conversation (`messages`) is a demonstration."""

    def layout(raw: pl.DataFrame, _: SourceOptions) -> pl.DataFrame:
        return raw.select("row_key", messages=messages, verdict=NO_VERDICT)

    return layout


def to_prompts(messages: pl.Expr) -> Layout:
    """Return the layout of rows whose message list is a prompt."""

    def layout(raw: pl.DataFrame, _: SourceOptions) -> pl.DataFrame:
        return raw.select("row_key", prompt=messages, verdict=NO_VERDICT)

    return layout


def add_verdict(layout: Layout, verdict: pl.Expr) -> Layout:
    """Add a verdict (`comparisons.VERDICTS`) to a layout with one row per native row."""

    def layout_and_verdict(raw: pl.DataFrame, options: SourceOptions) -> pl.DataFrame:
        return layout(raw, options).with_columns(raw.select(verdict=verdict)["verdict"])

    return layout_and_verdict


def make_pair_layouts(
    chosen: pl.Expr, rejected: pl.Expr, *, scores: tuple[pl.Expr, ...] = ()
) -> dict[Role, Layout]:
    """Return the layouts of two conversations per row, as pairs, demonstrations and prompts.

    The demonstrations are the chosen conversations.
    """
    return {
        "preferences": pair_conversations(chosen, rejected, scores),
        "demonstrations": to_demonstrations(chosen),
        "prompts": to_prompts(drop_last_turn(chosen)),
    }


ENTRIES = {
    "messages": Entry(
        facts="TRL's conversational layout for supervised fine-tuning.",
        native={"messages": MESSAGES},
        layouts={"demonstrations": to_demonstrations(pl.col("messages"))},
    ),
    "context_messages": Entry(
        facts="Layout of RLHFlow/prompt-collection-v0.1 (dataset card); its other columns, "
        "dataset, context and id, add nothing to the messages.",
        native={"context_messages": MESSAGES},
        layouts={"prompts": to_prompts(pl.col("context_messages"))},
    ),
    "standard_pairs": Entry(
        facts="The published format of the method's preference sets (card of "
        "hendrydong/preference_700K): two whole conversations that differ in the last turn only.",
        native={
            "chosen": MESSAGES,
            "rejected": MESSAGES,
            "chosen_score": pl.Float64,
            "rejected_score": pl.Float64,
        },
        optional=("chosen_score", "rejected_score"),
        layouts=make_pair_layouts(
            pl.col("chosen"),
            pl.col("rejected"),
            scores=(pl.col("chosen_score"), pl.col("rejected_score")),
        ),
    ),
}
