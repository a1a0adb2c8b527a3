"""Tables of prompts, their splits, and the evaluation texts that they are screened against."""

import polars as pl

from transforms.lake.schemas.table import MESSAGES, PROMPT_ID, Column, Table

EVALUATION_SET = Column(pl.String, "evaluation set of the recipe")

TABLES: dict[str, Table] = {
    "evaluation_texts": Table(
        grain="One row per item of an evaluation set that prompts are screened against.",
        columns={
            "evaluation_set": EVALUATION_SET,
            "item": Column(pl.String, "item of the set"),
            "text": Column(pl.String, "text of the item"),
        },
    ),
    "contaminated_prompts": Table(
        grain="One row per dropped prompt and item of an evaluation set that shares words with it.",
        columns={
            "prompt_id": PROMPT_ID,
            "evaluation_set": EVALUATION_SET,
            "item": Column(pl.String, "item of the set"),
            "span": Column(pl.String, "the words that they share"),
        },
    ),
    "prompts": Table(
        grain="One row per distinct prompt.",
        columns={
            "prompt_id": PROMPT_ID,
            "source": Column(
                pl.String, "source of the prompt; of several, the first in alphabetical order"
            ),
            "prompt": Column(MESSAGES, "the conversation; it ends with a user's turn"),
            "prompt_chars": Column(pl.Int64, "length of all turns", "chars"),
            "reference": Column(
                pl.String, "answer, unit tests or instructions that rewards read; null: none"
            ),
        },
    ),
    "prompt_splits": Table(
        grain="One row per prompt of a split.",
        columns={
            "prompt_id": PROMPT_ID,
            "split": Column(
                pl.String, "iteration_1 … | validation | evaluation | promotion | length_study"
            ),
        },
    ),
    "prompt_map": Table(
        grain="One row per prompt of the map.",
        columns={
            "prompt_id": PROMPT_ID,
            "source": Column(pl.String, "source of the prompt"),
            "x": Column(pl.Float64, "first coordinate of t-SNE; has no unit"),
            "y": Column(pl.Float64, "second coordinate of t-SNE; has no unit"),
            "topic": Column(pl.Int32, "topic, from 0, the largest"),
            "topic_terms": Column(pl.String, "most distinctive words of the topic"),
        },
    ),
}
