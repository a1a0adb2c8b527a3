"""Repetition in responses: repeated n-grams, equal responses to several prompts.

Every function returns one value per response. Words are those of `transforms.prompts.words`, with
their case and punctuation. Not here: averages over an iteration
(`transforms.measures.health.statistics`).
"""

import numpy as np
import polars as pl

from transforms.prompts.ngrams import find_window_starts, hash_windows
from transforms.prompts.words import separate_characters


def measure_repeated_ngrams(texts: pl.Series, size: int = 4) -> pl.Series:
    """Measure the share of a text's n-grams that repeat an earlier one: 1 - distinct / all.

    Args:
        texts: one per response; a null is an empty text.
        size: words per n-gram; a character of Chinese, Japanese or Thai is a word.

    Returns:
        Float64, one per text; null for a text of fewer than `size` words.
    """
    spaced = pl.DataFrame({"text": texts.fill_null("")}).select(separate_characters(pl.col("text")))
    words = spaced.to_series().str.extract_all(r"\S+")
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
