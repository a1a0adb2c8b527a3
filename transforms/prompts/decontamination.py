"""Contaminated prompts: prompts that contain words of an item of an evaluation set.

Lives here: the search, the evidence, and the count of items by kind of search. Not here: words
(`transforms.prompts.words`), the evaluation sets and their texts
(`transforms.prompts.evaluation_texts`). `sql/checks/no_contaminated_prompt.sql` finds the same
prompts independently of this module, with the same words.

The method is that of GPT-3 (Brown et al. 2020, arXiv 2005.14165, appendix C), with one addition:
lower-case words without punctuation, and any shared n-gram counts. An item of fewer than n words is
searched for as a whole, if it says enough to be recognised inside another text: a longer item is
found by any n-gram, a short one by all of its words. Where and how often each is wrong:
docs/measured/contamination.md.
"""

from typing import NamedTuple

import numpy as np
import polars as pl

from transforms.prompts.ngrams import cut_into_slices, find_window_starts, hash_windows
from transforms.prompts.words import normalise
from transforms.settings.prompts import DecontaminationSettings

LEAST_WORDS = 6
"""Words of the shortest item that is searched for inside prompts. Shorter ones ("what do you do")
are said in passing."""

LEAST_CHARS = 12
"""Characters, without blanks, of such an item: six Chinese characters are three or four words."""

TEMPLATE_ITEMS = 3
"""Items of a set that share a short text; it is then a form ("which of the following is true")."""

PART_CHARS = 8_000_000
"""Characters of prompts that are processed at a time; about 500 MB of memory."""
PART_MATCHES = 2_000_000
"""Shared n-grams that are merged at a time."""

CONTAMINATED = {
    "prompt_id": pl.String,
    "evaluation_set": pl.String,
    "item": pl.String,
    "span": pl.String,
}


def find_contaminated(
    prompts: pl.DataFrame, evaluation_texts: pl.DataFrame, settings: DecontaminationSettings
) -> pl.DataFrame:
    """Find the prompts that contain an n-gram of an evaluation item, or a whole short item.

    An item of fewer than `LEAST_WORDS` words or `LEAST_CHARS` characters, or whose short text
    `TEMPLATE_ITEMS` items of its set share, matches only a prompt that is equal to it. A text
    without words matches nothing.

    Args:
        prompts: prompt_id (each once) and text.
        evaluation_texts: the table; an item occurs once in its set.
        settings: length of an n-gram.

    Returns:
        One row per prompt and matching item, in that order: prompt_id, evaluation_set, item, span
        (the longest common run of words, normalised; of equally long runs the first).
    """
    words = normalise(pl.col("text")).alias("words")
    items = _choose_windows(evaluation_texts, settings).filter(pl.col("words") != "")
    dictionary = pl.Enum(items["words"].str.split(" ").explode().drop_nulls().unique().sort())
    coded_items = _encode_words(items["words"], dictionary)
    item_grams = _find_item_ngrams(coded_items, items["window"])
    found = []
    for part in cut_into_slices(prompts["text"].str.len_chars().to_numpy(), PART_CHARS):
        texts = prompts[part].select("prompt_id", words)
        found.append(_find_equal_texts(texts, items))
        coded = _encode_words(texts["words"], dictionary)
        for n, grams in item_grams.items():
            spans = _find_shared_spans(_find_ngrams(coded, n), coded, grams, coded_items, n)
            matched = items[spans["row_item"]].select("evaluation_set", "item")
            shared = pl.concat([texts[spans["row"]], matched, spans], how="horizontal")
            run = pl.col("words").str.split(" ").list.slice("first", "length").list.join(" ")
            found.append(shared.with_columns(span=run).select(list(CONTAMINATED)))
    rows = pl.concat(found) if found else pl.DataFrame(schema=CONTAMINATED)
    return rows.sort("prompt_id", "evaluation_set", "item")


def count_searches(
    evaluation_texts: pl.DataFrame, settings: DecontaminationSettings
) -> pl.DataFrame:
    """Count the items of each evaluation set by how prompts are searched for them.

    Returns:
        evaluation_set, items, by_ngram (of `ngram_words` words), as_whole_item (a short item,
        anywhere in a prompt), as_whole_prompt (only a prompt that is equal to it).
    """
    window, whole = pl.col("window"), pl.col("window") == pl.col("length")
    return (
        _choose_windows(evaluation_texts, settings)
        .group_by("evaluation_set")
        .agg(
            items=pl.len(),
            by_ngram=(window == settings.ngram_words).sum(),
            as_whole_item=(whole & (window < settings.ngram_words)).sum(),
            as_whole_prompt=(window == 0).sum(),
        )
        .sort("evaluation_set")
    )


def _choose_windows(
    evaluation_texts: pl.DataFrame, settings: DecontaminationSettings
) -> pl.DataFrame:
    """Choose the words per n-gram of each item: evaluation_set, item, words, length, window.

    `window` is the smaller of `ngram_words` and the item's length in words; 0 for an item that is
    only compared with whole prompts.
    """
    length = pl.col("words").str.split(" ").list.len().cast(pl.Int64)
    chars = pl.col("words").str.len_chars() - length + 1
    short = pl.col("length") < settings.ngram_words
    vague = (pl.col("length") < LEAST_WORDS) | (chars < LEAST_CHARS)
    template = pl.len().over("evaluation_set", "words") >= TEMPLATE_ITEMS
    return (
        evaluation_texts.select("evaluation_set", "item", words=normalise(pl.col("text")))
        .with_columns(length=length)
        .with_columns(
            window=pl.when(short & (vague | template))
            .then(0)
            .otherwise(pl.min_horizontal("length", pl.lit(settings.ngram_words)))
        )
    )


class _Coded(NamedTuple):
    """Texts as numbers, concatenated."""

    codes: np.ndarray
    """u64[words]: index of a word in the dictionary, from 1; 0 if no item has the word."""
    lengths: np.ndarray
    """i64[texts]: words per text."""


def _encode_words(words: pl.Series, dictionary: pl.Enum) -> _Coded:
    split = words.str.split(" ")
    codes = split.explode().cast(dictionary, strict=False).to_physical().cast(pl.UInt64) + 1
    return _Coded(codes.fill_null(0).to_numpy(), split.list.len().to_numpy().astype(np.int64))


def _find_ngrams(texts: _Coded, n: int) -> pl.DataFrame:
    """Find the n-grams of known words: hash, row (of the text), start (index over all texts)."""
    starts, counts = find_window_starts(texts.lengths, n)
    rows = np.repeat(np.arange(len(counts)), counts)
    unknown = np.concatenate([[0], np.cumsum(texts.codes == 0)])
    known = unknown[starts + n] == unknown[starts]
    hashes = hash_windows(texts.codes, n)
    return pl.DataFrame({"hash": hashes[starts[known]], "row": rows[known], "start": starts[known]})


def _find_item_ngrams(items: _Coded, windows: pl.Series) -> dict[int, pl.DataFrame]:
    """Find the n-grams of the items with a window of n words, for each n."""
    grams = {}
    for n in windows.filter(windows > 0).unique().sort():
        rows = np.flatnonzero(windows == n)
        grams[n] = _find_ngrams(items, n).filter(pl.col("row").is_in(rows))
    return grams


def _find_equal_texts(texts: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    short = items.filter(window=0)
    return texts.join(short, on="words").select("prompt_id", "evaluation_set", "item", span="words")


def _find_shared_spans(
    grams: pl.DataFrame, texts: _Coded, item_grams: pl.DataFrame, items: _Coded, n: int
) -> pl.DataFrame:
    """Find the longest common run per text and item: row, row_item, first (word), length."""
    times = item_grams.group_by("hash").agg(items=pl.len())
    hits = grams.join(times, on="hash").sort("start")
    matches_of_a_row = np.bincount(hits["row"], weights=hits["items"], minlength=1)
    spans = []
    for rows in cut_into_slices(matches_of_a_row, PART_MATCHES):
        here = hits.filter(pl.col("row").is_between(rows.start, rows.stop - 1))
        matches = here.join(item_grams, on="hash", suffix="_item")
        spans.append(_merge_ngrams(_drop_hash_collisions(matches, texts, items, n), n))
    before = np.cumsum(texts.lengths) - texts.lengths
    longest = pl.concat(spans)
    return longest.with_columns(first=pl.col("start") - before[longest["row"].to_numpy()])


def _drop_hash_collisions(
    matches: pl.DataFrame, texts: _Coded, items: _Coded, n: int
) -> pl.DataFrame:
    """Drop pairs of n-grams with equal hashes but different words."""
    here, there = matches["start"].to_numpy(), matches["start_item"].to_numpy()
    same = np.ones(matches.height, bool)
    for offset in range(n):
        same &= texts.codes[here + offset] == items.codes[there + offset]
    return matches.filter(pl.Series(same, dtype=pl.Boolean))


def _merge_ngrams(matches: pl.DataFrame, n: int) -> pl.DataFrame:
    """Merge n-grams that are consecutive in both texts; keep the longest run per pair of texts."""
    pair = ["row", "row_item"]
    in_order = matches.with_columns(shift=pl.col("start") - pl.col("start_item")).sort(
        *pair, "shift", "start"
    )
    follows = (
        (pl.col("start") == pl.col("start").shift() + 1)
        & (pl.struct(*pair, "shift") == pl.struct(*pair, "shift").shift())
    ).fill_null(False)
    runs = in_order.group_by(*pair, run=(~follows).cum_sum()).agg(
        pl.col("start").min(), length=pl.len().cast(pl.Int64) + n - 1
    )
    longest = runs.sort(*pair, "length", "start", descending=[False, False, True, False])
    return longest.unique(pair, keep="first", maintain_order=True).drop("run")
