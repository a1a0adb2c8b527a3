"""Tables of imported data: raw rows, demonstrations, comparisons, mixtures, and dropped rows."""

from collections.abc import Mapping

import polars as pl

from transforms.lake.schemas.table import MESSAGES, PROMPT_ID, Column, DataType, Table

SOURCE = Column(pl.String, "source of the recipe")
ROW_KEY = Column(pl.String, "row of the source: file and row number, or the source's own key")
PAIR_ID = Column(pl.String, "hash of prompt, chosen and rejected")

RAW = "raw_"
"""Prefix of the raw tables, one per source."""


def raw_table(native: Mapping[str, DataType]) -> Table:
    """Declare the raw table of a source, given the native columns of its catalogue entry."""
    return Table(
        grain="One row per row of a source's files that fits the columns of its catalogue entry.",
        columns={
            "row_key": Column(pl.String, "file and row number, or the source's own key"),
            **{name: Column(dtype, "column of the source") for name, dtype in native.items()},
        },
    )


TABLES: dict[str, Table] = {
    "demonstrations": Table(
        grain="One row per fine-tuning conversation.",
        columns={
            "source": SOURCE,
            "row_key": ROW_KEY,
            "prompt_id": PROMPT_ID,
            "messages": Column(MESSAGES, "the conversation; it ends with an assistant's turn"),
        },
        partitions=["source"],
    ),
    "preference_pairs": Table(
        grain="One row per kept comparison.",
        columns={
            "pair_id": PAIR_ID,
            "source": SOURCE,
            "row_key": ROW_KEY,
            "prompt_id": PROMPT_ID,
            "prompt": Column(MESSAGES, "the conversation up to the compared turn"),
            "chosen": Column(MESSAGES, "the preferred turn alone"),
            "rejected": Column(MESSAGES, "the other turn alone"),
            "chosen_score": Column(pl.Float64, "score of chosen; null: none", "source's units"),
            "rejected_score": Column(pl.Float64, "score of rejected; null: none", "source's units"),
            "margin": Column(pl.Float64, "chosen_score minus rejected_score", "source's units"),
            "split": Column(pl.String, "train | reward_validation"),
        },
        partitions=["source"],
    ),
    "source_rows": Table(
        grain="One row per table and source: the number of rows before any rule.",
        columns={
            "table": Column(pl.String, "raw_… | preference_pairs | demonstrations | prompts"),
            "source": SOURCE,
            "entry": Column(pl.String, "catalogue entry of the source"),
            "rows_in": Column(pl.Int64, "rows of the files, candidate pairs, or conversations"),
            "intake_id": Column(pl.String, "hash of the settings and the input rows"),
        },
    ),
    "mixture_pairs": Table(
        grain="One row per pair of a mixture.",
        columns={
            "mixture": Column(pl.String, "mixture of the recipe"),
            "source": SOURCE,
            "pair_id": Column(pl.String, "the pair, in preference_pairs"),
            "copies": Column(pl.Int32, "number of times that the pair is in one epoch"),
        },
        partitions=["mixture"],
    ),
    "preference_tokens": Table(
        grain="One row per kept comparison and tokenizer.",
        columns={
            "pair_id": Column(pl.String, "the pair, in preference_pairs"),
            "source": SOURCE,
            "tokenizer_id": Column(pl.String, "checkpoint whose tokenizer and template are used"),
            "prompt_tokens": Column(pl.Int32, "length of the prompt", "tokens"),
            "chosen_tokens": Column(pl.Int32, "length of chosen", "tokens"),
            "rejected_tokens": Column(pl.Int32, "length of rejected", "tokens"),
        },
    ),
    "dropped_rows": Table(
        grain="One row per row, pair, prompt or example that a rule dropped.",
        columns={
            "table": Column(pl.String, "table that the row was meant for, or the training"),
            "source": Column(pl.String, "source of the row; of a training, its asset"),
            "row_key": Column(pl.String, "key of the row, pair or prompt"),
            "reason": Column(pl.String, "rule that dropped it"),
            "evidence": Column(pl.String, "evidence that the rule found"),
        },
        partitions=["table", "source"],
    ),
}
