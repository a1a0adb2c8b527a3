"""Schemas of the prompt collection and the texts it is screened against."""

import polars as pl

from transforms.lake.schemas.columns import MESSAGES, Schema

SCHEMAS: dict[str, Schema] = {
    # one row per item of an evaluation set that prompts are screened against
    "evaluation_texts": {
        "evaluation_set": pl.String,
        "item": pl.String,
        "text": pl.String,
    },
    # one row per dropped prompt and item of an evaluation set that it shares words with
    "contaminated_prompts": {
        "prompt_id": pl.String,
        "evaluation_set": pl.String,
        "item": pl.String,
        "span": pl.String,  # the words in common
    },
    # one row per prompt of the map
    "prompt_map": {
        "prompt_id": pl.String,
        "source": pl.String,
        "x": pl.Float64,
        "y": pl.Float64,
        "topic": pl.Int32,
        "topic_terms": pl.String,  # the most telling words of the topic
    },
    # one row per distinct prompt
    "prompts": {
        "prompt_id": pl.String,
        "source": pl.String,  # the first, in alphabetical order, that has it
        "prompt": MESSAGES,
        "prompt_chars": pl.Int64,
    },
    # one row per prompt that is used
    "prompt_splits": {
        "prompt_id": pl.String,
        "split": pl.String,  # iteration_1 ... iteration_T | validation | evaluation
    },
}
