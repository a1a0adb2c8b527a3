"""Texts that repeat: runs of words within a response, one response to many prompts, refusals.

Lives here: what is counted in a text, for many at once. Not here: what an iteration's counts add up
to (`transforms.measures.health`). A word is what white space divides.
"""

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from transforms.prompts.ngrams import find_window_starts, hash_windows

REFUSALS = Path(__file__).with_name("refusal_phrases.txt")

OPENING_CHARS = 100
"""Characters of a response in which a refusal is looked for."""


def repeated_ngrams(texts: pl.Series, size: int = 4) -> pl.Series:
    """Measure the share of a text's runs of `size` words that stand in it before: 1 - distinct.

    Returns:
        Float64, one a text; null for a text with fewer words.
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


def across_prompts(responses: pl.DataFrame) -> pl.Series:
    """Tell which responses are, to the letter, a response to another prompt, too.

    Args:
        responses: prompt_id, response; an empty response is none's duplicate.

    Returns:
        Boolean, one per response.
    """
    prompts = pl.col("prompt_id").n_unique().over("response")
    return responses.select((prompts > 1) & (pl.col("response") != "")).to_series()


def refusals(texts: pl.Series) -> pl.Series:
    """Tell which texts begin like a refusal, by a list of phrases (`refusal_phrases.txt`)."""
    openings = texts.str.head(OPENING_CHARS).str.replace_all("’", "'")
    return openings.str.contains_any(refusal_phrases(), ascii_case_insensitive=True)


@cache
def refusal_phrases() -> list[str]:
    """Read the list of phrases."""
    lines = REFUSALS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
