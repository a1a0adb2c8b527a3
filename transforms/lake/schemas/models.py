"""Schemas of trained models, their steps and their reference log-probabilities."""

import polars as pl

from transforms.lake.schemas.columns import LOOP_SLICE, Schema

SCHEMAS: dict[str, Schema] = {
    # one row per trained (or initial) model
    "checkpoints": {
        **LOOP_SLICE,
        "asset": pl.String,
        "checkpoint_id": pl.String,  # hash of weights, tokenizer and chat template
        "kind": pl.String,  # causal_lm | reward_model
        "parent_id": pl.String,
        "reference_id": pl.String,
        "settings": pl.String,  # JSON
        "inputs": pl.String,  # JSON: upstream asset -> output id
        "path": pl.String,  # relative to the lake's root
        "created_at": pl.Datetime("us", "UTC"),
    },
    # one row per metric of a logged optimiser step
    "training_metrics": {
        **LOOP_SLICE,
        "asset": pl.String,
        "step": pl.Int32,
        "epoch": pl.Float64,
        "metric": pl.String,
        "value": pl.Float64,
    },
    # one row per reference, compute type and sequence (a prompt's and a completion's token ids)
    "reference_logps": {
        "reference_id": pl.String,  # checkpoint of the reference
        "dtype": pl.String,  # that it computes in: float32 | bfloat16
        "sequence_id": pl.String,  # hash of the token ids
        "completion_tokens": pl.Int32,
        "logp": pl.Float64,  # nats, summed over the completion and its end of turn
    },
}

PARTITIONS: dict[str, list[str]] = {
    "reference_logps": ["reference_id"],
}
