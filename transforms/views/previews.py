"""The first rows of a table as people read them: texts first, conversations as text.

Not here: their place on Dagster's pages (`assets.metadata`).
"""

import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.schemas.table import MESSAGES

TEXTS = ("prompt", "chosen", "rejected", "response")
"""Columns of texts that a preview begins with, as far as a table has them."""
FIRST = (*TEXTS, "reward", "gold_reward", "margin")
"""Columns that a preview of a table with texts begins with."""


def arrange(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with the columns of `FIRST` first, and texts that fit a cell of a line.

    Rows without texts, such as those of a report, keep the order of their columns. A conversation
    becomes `role: content` of its turns, a single turn its content. Line breaks become blanks.
    """
    has_texts = any(name in TEXTS for name in rows.columns)
    first = [name for name in FIRST if has_texts and name in rows.columns]
    ordered = rows.select(*first, *(name for name in rows.columns if name not in first))
    turns = pl.format("{}: {}", pl.element().struct[0], pl.element().struct[1])
    texts = [
        pl.when(pl.col(name).list.len() == 1)
        .then(pl.col(name).list.first().struct.field("content"))
        .otherwise(pl.col(name).list.eval(turns).list.join(" "))
        .alias(name)
        for name, dtype in ordered.schema.items()
        if dtype == MESSAGES
    ]
    return ordered.with_columns(texts).with_columns(
        pl.col(pl.String).str.replace_all(r"\s+", " ").str.replace_all("|", r"\|", literal=True)
    )


def add_texts(lake: Lake, rows: pl.DataFrame) -> pl.DataFrame:
    """Add the prompt, and the response to rows of scores, to a few rows of one slice.

    Args:
        lake: the lake.
        rows: rows with experiment, iteration, prompt_id; scores also with response_index.
    """
    ids = pl.col("prompt_id").is_in(rows["prompt_id"].unique().implode())
    prompts = lake.scan("prompts").filter(ids).select("prompt_id", "prompt").unique("prompt_id")
    found = rows.join(prompts.collect(), on="prompt_id", how="left", maintain_order="left")
    if "response" in rows.columns or "response_index" not in rows.columns:
        return found
    key = ["experiment", "iteration", "prompt_id", "response_index"]
    slice_ = [pl.col(name).is_in(rows[name].unique().implode()) for name in key[:2]]
    generations = lake.scan("generations").filter(ids, *slice_).select(*key, "response")
    return found.join(generations.collect(), on=key, how="left", maintain_order="left")
