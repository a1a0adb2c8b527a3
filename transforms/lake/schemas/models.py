"""Tables of trained models, their optimiser steps and their reference log-probabilities."""

import polars as pl

from transforms.lake.schemas.table import LOOP_SLICE, WRITTEN, Column, Table

TABLES: dict[str, Table] = {
    "checkpoints": Table(
        grain="One row per trained or initial model.",
        columns={
            **LOOP_SLICE,
            "asset": Column(pl.String, "asset of the model"),
            "checkpoint_id": Column(pl.String, "hash of weights, tokenizer and chat template"),
            "kind": Column(pl.String, "causal_lm | reward_model"),
            "parent_id": Column(pl.String, "checkpoint that the training starts from"),
            "reference_id": Column(pl.String, "checkpoint of the reference; empty: none"),
            "settings": Column(pl.String, "settings of the training, JSON"),
            "inputs": Column(pl.String, "upstream asset -> output id, JSON"),
            "environment": Column(
                pl.String, "threads, processor, libraries of the training, JSON; null: not trained"
            ),
            "path": Column(pl.String, "folder, relative to the lake's root"),
            **WRITTEN,
        },
    ),
    "training_metrics": Table(
        grain="One row per metric of a logged optimiser step.",
        columns={
            **LOOP_SLICE,
            "asset": Column(pl.String, "asset of the model"),
            "step": Column(pl.Int32, "optimiser step, from 1"),
            "epoch": Column(pl.Float64, "passes over the data so far"),
            "metric": Column(pl.String, "name that the trainer logs, such as `loss`"),
            "value": Column(pl.Float64, "value of the metric", "as metric"),
        },
    ),
    "reference_logps": Table(
        grain="One row per reference, compute type and sequence (a prompt's and a response's ids).",
        columns={
            "reference_id": Column(pl.String, "checkpoint of the reference"),
            "dtype": Column(
                pl.String, "compute type: float32 | bfloat16; with `, nf4`: 4-bit weights"
            ),
            "sequence_id": Column(pl.String, "hash of the token ids"),
            "completion_tokens": Column(pl.Int32, "length of the completion", "tokens"),
            "logp": Column(pl.Float64, "sum over the completion and its end of turn", "nats"),
        },
        partitions=["reference_id"],
    ),
}
