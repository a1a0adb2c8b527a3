"""Repetition in responses: repeated n-grams, equal responses to several prompts, refusals.

Every function returns one value per response. Words are separated by white space. Not here:
averages over an iteration (`transforms.measures.health`).
"""

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from transforms.prompts.ngrams import find_window_starts, hash_windows

REFUSALS = Path(__file__).with_name("refusal_phrases.txt")

OPENING_CHARS = 100
"""Characters at the start of a response that are searched for a refusal."""


def measure_repeated_ngrams(texts: pl.Series, size: int = 4) -> pl.Series:
    """Measure the share of a text's n-grams that repeat an earlier one: 1 - distinct / all.

    Args:
        texts: one per response; a null is an empty text.
        size: words per n-gram.

    Returns:
        Float64, one per text; null for a text of fewer than `size` words.
    """
    words = texts.fill_null("").str.extract_all(r"\S+")
    codes = words.explode(empty_as_null=False).hash().to_numpy()
    starts, counts = find_window_starts(words.list.len().to_numpy().astype("int64"), size)
    numbers = np.arange(len(texts), dtype=np.uint32)
    ngrams = pl.DataFrame(
        {"text": numbers.repeat(counts), "ngram": hash_windows(codes, size)[starts]}
    )
    shares = ngrams.group_by("text").agg(share=1 - pl.col("ngram").n_unique() / pl.len())
    numbered = pl.DataFrame({"text": numbers})
    return numbered.join(shares, on="text", how="left", maintain_order="left")["share"]


def find_duplicates_across_prompts(responses: pl.DataFrame) -> pl.Series:
    """Find responses whose exact text is also a response to another prompt.

    Args:
        responses: prompt_id, response; an empty response is no duplicate.

    Returns:
        Boolean, one per response.
    """
    prompts = pl.col("prompt_id").n_unique().over("response")
    return responses.select((prompts > 1) & (pl.col("response") != "")).to_series()


def find_refusals(texts: pl.Series) -> pl.Series:
    """Find texts that begin with a phrase of a refusal (`refusal_phrases.txt`); Boolean."""
    openings = texts.str.head(OPENING_CHARS).str.replace_all("’", "'")
    return openings.str.contains_any(read_refusal_phrases(), ascii_case_insensitive=True)


@cache
def read_refusal_phrases() -> list[str]:
    """Read the list of phrases."""
    lines = REFUSALS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
