"""Schemas of what a materialization read, made and took."""

import polars as pl

from transforms.lake.schemas.columns import Schema

SCHEMAS: dict[str, Schema] = {
    # one row per materialization of an asset: what it read, with which settings, what it made
    "materializations": {
        "asset": pl.String,
        "experiment": pl.String,
        "output_id": pl.String,  # table@version, or checkpoint id
        "settings": pl.String,  # JSON
        "inputs": pl.String,  # JSON: upstream asset -> output id
        "run_id": pl.String,
        "elapsed_s": pl.Float64,
        "created_at": pl.Datetime("us", "UTC"),
    },
    # one row per materialization: what it took
    "costs": {
        "asset": pl.String,
        "experiment": pl.String,
        "output_id": pl.String,
        "run_id": pl.String,
        "elapsed_s": pl.Float64,
        "rows": pl.Int64,  # of its table; or examples over all epochs; null where neither is known
        "tokens": pl.Int64,  # sampled or trained on; null for other work
        "bytes": pl.Int64,  # written to the lake, checkpoints included
        "created_at": pl.Datetime("us", "UTC"),
    },
}
