"""Layouts of datasets with a score per response: native rows to candidate comparisons.

Not here: datasets with pairs or labels, and row keys (`transforms.sources.layouts.comparisons`).

A pair is dropped with `missing_score` if one of its responses has no score, or a score that is not
a number: without scores it is unknown which response is preferred.
"""

from collections.abc import Callable
from typing import Any

import polars as pl

from transforms.lake.schemas.table import MESSAGES
from transforms.settings.source_options import SourceOptions
from transforms.sources.layouts.comparisons import (
    MOST_RESPONSES,
    NO_SCORE,
    NO_VERDICT,
    read_score,
)
from transforms.sources.layouts.conversations import append_response
from transforms.sources.layouts.entry import Layout
from transforms.sources.layouts.native_columns import STANDARD, pack_native, unpack_native

Scoring = Callable[[Any], pl.Expr]
"""The score of a row, given the source's options."""


def pair_all_responses(
    prompt: pl.Expr, texts: pl.Expr, scores: pl.Expr, models: pl.Expr | None = None
) -> Layout:
    """Pair all of n scored responses per row: the response with the higher score is preferred.

    Args:
        prompt: messages.
        texts: list of n texts.
        scores: list of n numbers, or of n texts that are numbers.
        models: list of the n models that wrote the responses. Of several responses of one model,
            the last one counts; a pair with an earlier one is dropped with `repeated_model`.
    """
    position = pl.int_ranges(pl.col("text").list.len())

    def layout(raw: pl.DataFrame, _: SourceOptions) -> pl.DataFrame:
        rows = _list_responses(raw, prompt, texts, scores, models).with_row_index("group")
        several = rows.filter(pl.col("verdict").is_null()).with_columns(number=position)
        model = pl.col("number" if models is None else "model").cast(pl.List(pl.String))
        responses = several.select(
            "group", "row_key", "number", "text", "score", model=model
        ).explode("number", "text", "score", "model")
        last = pl.col("number") == pl.col("number").max().over("group", "model")
        repeated = responses.with_columns(repeated=pl.col("model").is_not_null() & ~last)
        pairs = _pair_within_groups(repeated.drop("model")).with_columns(
            row_key=pl.format("{}#{},{}", "chosen_row_key", "chosen_number", "rejected_number"),
            verdict=pl.when(pl.any_horizontal("chosen_repeated", "rejected_repeated")).then(
                pl.lit("repeated_model")
            ),
        )
        prompts = several.select("group", "prompt", "native")
        paired = pairs.join(prompts, on="group", maintain_order="left").with_columns(
            *_append_sides(pl.col("chosen_text"), pl.col("rejected_text"))
        )
        return _concat_candidates(paired, _make_unpaired(rows))

    return layout


def pair_best_with_worst(prompt: pl.Expr, texts: pl.Expr, scores: pl.Expr) -> Layout:
    """Pair the best of n scored responses per row with the worst.

    Of several best responses the first counts, of several worst the last. Responses without a score
    are ignored. For the arguments see `pair_all_responses`.
    """

    def layout(raw: pl.DataFrame, _: SourceOptions) -> pl.DataFrame:
        scored = pl.col("score").list.eval(pl.element().fill_nan(None))
        few = scored.list.drop_nulls().list.len() < 2
        rows = _list_responses(raw, prompt, texts, scores).with_columns(
            verdict=pl.coalesce("verdict", pl.when(few).then(pl.lit("missing_score"))),
            best=scored.list.arg_max(),
            worst=pl.col("score").list.len() - 1 - scored.list.reverse().list.arg_min(),
        )
        sides = [pl.col("best"), pl.col("worst")]
        paired = rows.filter(pl.col("verdict").is_null()).with_columns(
            *_append_sides(*(pl.col("text").list.get(side) for side in sides)),
            chosen_score=pl.col("score").list.get(sides[0]),
            rejected_score=pl.col("score").list.get(sides[1]),
            row_key=pl.format("{}#{},{}", "row_key", *sides),
        )
        return _concat_candidates(paired, _make_unpaired(rows))

    return layout


def pair_rows(group: str, prompt: pl.Expr, text: pl.Expr, score: Scoring) -> Layout:
    """Pair all rows of a group, one scored response per row: the higher score is preferred.

    Native columns are dropped: the two rows of a pair may have different values.

    Args:
        group: native column that is equal in all rows of one prompt.
        prompt: messages.
        text: the response.
        score: its score, given the source's options.
    """

    def layout(raw: pl.DataFrame, options: SourceOptions) -> pl.DataFrame:
        of_prompt = pl.when(pl.col(group).is_null()).then(0).otherwise(pl.len().over(group))
        rows = raw.select(
            "row_key",
            number=pl.int_range(pl.len()),
            group=pl.col(group),
            prompt=prompt,
            text=text,
            score=_read_required_score(score(options)),
            verdict=_explain_count(of_prompt),
        )
        responses = rows.filter(pl.col("verdict").is_null())
        prompts = responses.unique("group", keep="first").select("group", "prompt")
        paired = _pair_within_groups(responses.drop("prompt", "verdict")).join(
            prompts, on="group", maintain_order="left"
        )
        paired = paired.with_columns(
            *_append_sides(pl.col("chosen_text"), pl.col("rejected_text")),
            row_key=pl.format("{}|{}", "chosen_row_key", "rejected_row_key"),
            verdict=NO_VERDICT,
        )
        alone = _make_unpaired(rows.with_columns(text=pl.concat_list("text")))
        return pl.concat([paired.select(STANDARD), alone.select(STANDARD)])

    return layout


def _list_responses(
    raw: pl.DataFrame,
    prompt: pl.Expr,
    texts: pl.Expr,
    scores: pl.Expr,
    models: pl.Expr | None = None,
) -> pl.DataFrame:
    """Return row_key, native, prompt, and text, score and model (lists) of each row.

    The column `verdict` is null if the responses can be compared.
    """
    read = [texts, scores] if models is None else [texts, scores, models]
    rows = raw.select(
        "row_key",
        pack_native(raw, *read),
        prompt=prompt,
        text=texts,
        score=scores.list.eval(_read_required_score(pl.element())),
        model=pl.lit(None) if models is None else models,
    )
    counts = [pl.col(name).list.len().fill_null(0) for name in ("text", "score")]
    unequal = pl.when(counts[0] != counts[1]).then(pl.lit("score_count"))
    return rows.with_columns(verdict=pl.coalesce(unequal, _explain_count(counts[0])))


def _concat_candidates(*parts: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([unpack_native(part) for part in parts])


def _explain_count(responses: pl.Expr) -> pl.Expr:
    """Return the verdict on a number of responses that gives no comparison, else null."""
    return (
        pl.when(responses < 2).then(pl.lit("no_comparison"))
        .when(responses > MOST_RESPONSES).then(pl.lit("too_many_responses"))
    )  # fmt: skip


def _read_required_score(score: pl.Expr) -> pl.Expr:
    """Read a score that a preference needs: NaN if it is missing."""
    return read_score(score).fill_null(float("nan"))


def _pair_within_groups(responses: pl.DataFrame) -> pl.DataFrame:
    """Pair responses within groups: chosen_<column> of the higher score, rejected_<column>."""
    names = [name for name in responses.columns if name != "group"]
    both = responses.join(responses, on="group", maintain_order="left_right").filter(
        pl.col("number") < pl.col("number_right")
    )
    swapped = pl.col("score_right") > pl.col("score")
    return both.select(
        "group",
        *(
            pl.when(swapped == flips).then(f"{name}_right").otherwise(name).alias(f"{side}_{name}")
            for side, flips in (("chosen", True), ("rejected", False))
            for name in names
        ),
    )


def _append_sides(chosen: pl.Expr, rejected: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    return (
        append_response(pl.col("prompt"), chosen).alias("chosen_messages"),
        append_response(pl.col("prompt"), rejected).alias("rejected_messages"),
    )


def _make_unpaired(rows: pl.DataFrame) -> pl.DataFrame:
    """Make one candidate per row with a verdict: its first response and no other."""
    return rows.filter(pl.col("verdict").is_not_null()).with_columns(
        chosen_messages=append_response(pl.col("prompt"), pl.col("text").list.first()),
        rejected_messages=pl.lit(None, dtype=MESSAGES),
        chosen_score=NO_SCORE,
        rejected_score=NO_SCORE,
    )
