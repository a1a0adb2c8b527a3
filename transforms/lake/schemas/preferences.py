"""Schemas of what came in: demonstrations, comparisons, their mixtures, and what was dropped."""

import polars as pl

from transforms.lake.schemas.columns import MESSAGES, Schema

SCHEMAS: dict[str, Schema] = {
    # one row per fine-tuning conversation
    "demonstrations": {
        "source": pl.String,
        "row_key": pl.String,
        "prompt_id": pl.String,
        "messages": MESSAGES,
    },
    # one row per kept comparison; chosen and rejected hold the last turn only
    "preference_pairs": {
        "pair_id": pl.String,
        "source": pl.String,
        "row_key": pl.String,
        "prompt_id": pl.String,
        "prompt": MESSAGES,
        "chosen": MESSAGES,
        "rejected": MESSAGES,
        "chosen_score": pl.Float64,
        "rejected_score": pl.Float64,
        "margin": pl.Float64,
        "split": pl.String,  # train | reward_validation
    },
    # one row per table and source: what came in, so that kept + dropped can be checked against it
    "source_rows": {
        "table": pl.String,  # raw_<source> | preference_pairs | demonstrations | prompts
        "source": pl.String,
        "entry": pl.String,  # of the catalogue
        "rows_in": pl.Int64,  # rows of the file, candidate pairs, conversations or prompts
        "intake_id": pl.String,  # hash of the settings and of the input that they came from
    },
    # one row per pair of a mixture
    "mixture_pairs": {
        "mixture": pl.String,
        "source": pl.String,
        "pair_id": pl.String,
        "copies": pl.Int32,  # times that an epoch shows it
    },
    # one row per kept comparison and tokenizer
    "preference_tokens": {
        "pair_id": pl.String,
        "source": pl.String,
        "tokenizer_id": pl.String,  # checkpoint whose tokenizer and chat template counted
        "prompt_tokens": pl.Int32,
        "chosen_tokens": pl.Int32,
        "rejected_tokens": pl.Int32,
    },
    # one row per row, pair or prompt that a rule removed
    "dropped_rows": {
        "table": pl.String,  # the table that the row would have entered
        "source": pl.String,
        "row_key": pl.String,
        "reason": pl.String,
        "evidence": pl.String,
    },
}

PARTITIONS: dict[str, list[str]] = {
    "demonstrations": ["source"],
    "preference_pairs": ["source"],
    "mixture_pairs": ["mixture"],
    "dropped_rows": ["table", "source"],
}
