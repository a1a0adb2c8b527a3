"""Layouts of datasets with n responses per row and no scores: rows to candidate comparisons.

Lives here: rankings, a label for every pair, preferred responses and rejected ones. Not here:
sets in which every response has a score (`transforms.sources.layouts.scored_responses`), row keys
(`transforms.sources.layouts.comparisons`).
"""

from collections.abc import Callable, Sequence
from itertools import combinations, product
from typing import Any

import polars as pl

from transforms.settings.source_options import SourceOptions
from transforms.sources.layouts.comparisons import MOST_RESPONSES, pair_labelled_responses
from transforms.sources.layouts.entry import Layout
from transforms.sources.layouts.native_columns import pack_native, unpack_native

Comparisons = list[tuple[int, int, int | None]] | str
"""The comparisons of a row: the numbers of two responses and a label
(`comparisons.pair_labelled_responses`). For a row without comparisons: its verdict."""


def pair_ranked_responses(prompt: pl.Expr, texts: pl.Expr) -> Layout:
    """Pair all of n responses per row, the best first: the earlier response is preferred.

    Args:
        prompt: messages.
        texts: list of n texts. A rank is no score: the pairs have no scores.
    """

    def compare(responses: int) -> Comparisons:
        return _explain_count(responses) or [
            (*pair, 1) for pair in combinations(range(responses), 2)
        ]

    def layout(raw: pl.DataFrame, options: SourceOptions) -> pl.DataFrame:
        return _make_candidates(
            raw, options, prompt, (texts, texts), [_count_texts(texts)], compare
        )

    return layout


def pair_by_labels(prompt: pl.Expr, texts: pl.Expr, labels: pl.Expr) -> Layout:
    """Pair all of n responses per row by a label for every pair.

    Args:
        prompt: messages.
        texts: list of n texts.
        labels: list of labels (`comparisons.pair_labelled_responses`) of the pairs in the order
            0 and 1, 0 and 2, ..., 1 and 2, ...
    """

    def compare(responses: int, given: list[int | None] | None) -> Comparisons:
        if few := _explain_count(responses):
            return few
        pairs = list(combinations(range(responses), 2))
        if given is None or len(given) != len(pairs):
            return "label_count"
        return [(*pair, label) for pair, label in zip(pairs, given, strict=True)]

    def layout(raw: pl.DataFrame, options: SourceOptions) -> pl.DataFrame:
        numbers = [_count_texts(texts), labels]
        return _make_candidates(raw, options, prompt, (texts, texts), numbers, compare)

    return layout


def pair_chosen_with_rejected(
    prompt: pl.Expr, chosen: pl.Expr, rejected: pl.Expr, crossed: Callable[[Any], bool]
) -> Layout:
    """Pair the preferred responses of a row with its rejected ones.

    Args:
        prompt: messages.
        chosen: list of texts.
        rejected: list of texts.
        crossed: whether, by the source's options, each chosen response is compared with each
            rejected one; if not, only with the one at the same place.
    """

    def layout(raw: pl.DataFrame, options: SourceOptions) -> pl.DataFrame:
        def compare(better: int, worse: int) -> Comparisons:
            if few := _explain_count(better + worse):
                return few
            if not better or not worse:
                return "no_comparison"
            if crossed(options):
                return [(*pair, 1) for pair in product(range(better), range(worse))]
            return [(n, n, 1) for n in range(better)] if better == worse else "response_count"

        counts = [_count_texts(chosen), _count_texts(rejected)]
        return _make_candidates(raw, options, prompt, (chosen, rejected), counts, compare)

    return layout


def _explain_count(responses: int) -> str | None:
    """Return the verdict on a number of responses that gives no comparison, else null."""
    if responses < 2:
        return "no_comparison"
    return "too_many_responses" if responses > MOST_RESPONSES else None


def _count_texts(texts: pl.Expr) -> pl.Expr:
    return texts.list.len().fill_null(0)


def _make_candidates(
    raw: pl.DataFrame,
    options: SourceOptions,
    prompt: pl.Expr,
    sides: tuple[pl.Expr, pl.Expr],
    numbers: Sequence[pl.Expr],
    compare: Callable[..., Comparisons],
) -> pl.DataFrame:
    """Make one candidate per comparison; a row without comparisons makes one, with its verdict.

    The columns of the texts are dropped: otherwise each pair would contain all texts.
    """
    counted = raw.select(number.alias(str(place)) for place, number in enumerate(numbers))
    pairs: list[tuple[int, int | None, int | None, int | None, str | None]] = []
    for group, row in enumerate(counted.iter_rows()):
        compared = compare(*row)
        if isinstance(compared, str):
            pairs.append((group, None, None, None, compared))
        else:
            pairs += [(group, *comparison, None) for comparison in compared]
    numbered = dict.fromkeys(("group", "first", "second", "winner"), pl.Int64)
    rows = pl.DataFrame(pairs, schema={**numbered, "alone": pl.String}, orient="row")
    for side, texts in zip(("first", "second"), sides, strict=True):
        rows = rows.join(
            _list_texts(raw, texts, side), on=["group", side], how="left", maintain_order="left"
        )
    prompts = raw.select("row_key", pack_native(raw, *sides), _number_groups(), prompt=prompt)
    rows = rows.join(prompts, on="group", maintain_order="left").sort(
        "group", "first", "second", maintain_order=True
    )
    layout = pair_labelled_responses(
        pl.col("prompt"), pl.col("first_text"), pl.col("second_text"), pl.col("winner")
    )
    labelled = layout(rows, options)
    swapped = (pl.col("winner") == 2).fill_null(False)
    chosen = pl.when(swapped).then("second").otherwise("first")
    rejected = pl.when(swapped).then("first").otherwise("second")
    key = pl.format("{}#{},{}", "row_key", chosen, rejected)
    keyed = labelled.with_columns(
        row_key=pl.when(pl.col("alone").is_null()).then(key).otherwise("row_key"),
        verdict=pl.coalesce("alone", "verdict"),
    )
    return unpack_native(keyed)


def _number_groups() -> pl.Expr:
    return pl.int_range(pl.len(), dtype=pl.Int64).alias("group")


def _list_texts(raw: pl.DataFrame, texts: pl.Expr, side: str) -> pl.DataFrame:
    """Return one row per response of a side: group, number (in column `side`), <side>_text."""
    listed = raw.select(_number_groups(), text=texts)
    number = pl.int_ranges(pl.col("text").list.len())
    named = {side: number, f"{side}_text": pl.col("text")}
    return (
        listed.filter(pl.col("text").list.len() > 0).select("group", **named)
        .explode(side, f"{side}_text")
    )  # fmt: skip
