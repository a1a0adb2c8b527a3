"""Layouts of datasets with pairs or labels: native rows to candidate comparisons, and their keys.

Not here: datasets that score each response (`transforms.sources.layouts.scored_responses`),
messages (`transforms.sources.layouts.conversations`), single datasets
(`transforms.sources.catalog`), the rules that drop candidates
(`transforms.sources.intake.preferences`).

The key of a candidate contains the keys of its native rows: `<row_key>` if a row is one pair,
`<row_key>#<i>,<j>` for the responses i (chosen) and j (rejected) of one row, `<row_key>|<row_key>`
for the responses of two rows. A native row without a pair gives one candidate with a `verdict`. So
every native row can be found among the kept and the dropped rows (`every_raw_row_found`).
"""

from collections.abc import Sequence

import polars as pl

from transforms.settings.source_options import SourceOptions
from transforms.sources.layouts.conversations import append_response
from transforms.sources.layouts.entry import Layout

MOST_RESPONSES = 100
"""Maximum number of responses to one prompt that are compared with each other. n responses make
n(n-1)/2 pairs, so that a wrongly declared prompt column would fill the memory. Published sets have
2 to 16."""

VERDICTS = {
    "tie": "its label is a tie",
    "no_label": "it has no label",
    "no_comparison": "fewer than two responses",
    "too_many_responses": f"more than {MOST_RESPONSES} responses",
    "score_count": "not as many scores as responses",
    "missing_score": "fewer than two responses with a score",
    "repeated_model": "a later response of the same model counts",
    "label_count": "not as many labels as pairs of responses",
    "response_count": "not as many rejected as preferred responses",
    "undesirable": "labelled as not desirable",
    "not_text": "a turn contains more than text",
}
"""Reasons in the ledger why a candidate is not a comparison, with their evidence."""

NO_SCORE = pl.lit(None, dtype=pl.Float64)
NO_VERDICT = pl.lit(None, dtype=pl.String)


def pair_conversations(
    chosen: pl.Expr, rejected: pl.Expr, scores: Sequence[pl.Expr] = ()
) -> Layout:
    """Return the layout of two whole conversations per row, the first preferred."""

    def layout(raw: pl.DataFrame, _: SourceOptions) -> pl.DataFrame:
        return raw.with_columns(
            chosen_messages=chosen,
            rejected_messages=rejected,
            chosen_score=read_score(scores[0]) if scores else NO_SCORE,
            rejected_score=read_score(scores[1]) if scores else NO_SCORE,
            verdict=NO_VERDICT,
        )

    return layout


def pair_responses(
    prompt: pl.Expr, chosen: pl.Expr, rejected: pl.Expr, scores: Sequence[pl.Expr] = ()
) -> Layout:
    """Return the layout of a prompt (messages) and two texts per row, the first preferred."""
    return pair_conversations(
        append_response(prompt, chosen), append_response(prompt, rejected), scores
    )


def pair_labelled_responses(
    prompt: pl.Expr,
    first: pl.Expr,
    second: pl.Expr,
    winner: pl.Expr,
    scores: Sequence[pl.Expr] = (),
) -> Layout:
    """Return the layout of one prompt, two responses and a label per row.

    Args:
        prompt: messages.
        first: text of one response.
        second: text of the other response.
        winner: 1 if the first is preferred, 2 if the second is, 0 on a tie; other values are no
            label.
        scores: scores of the first and the second response, or none.
    """
    return pair_labelled_conversations(
        append_response(prompt, first), append_response(prompt, second), winner, scores
    )


def pair_labelled_conversations(
    first: pl.Expr, second: pl.Expr, winner: pl.Expr, scores: Sequence[pl.Expr] = ()
) -> Layout:
    """Return the layout of two whole conversations and a label (`winner`) per row.

    The label is that of `pair_labelled_responses`.
    """

    def layout(raw: pl.DataFrame, options: SourceOptions) -> pl.DataFrame:
        wins = winner.fill_null(-1)
        swapped = wins == 2
        given = [read_score(score) for score in scores] or [NO_SCORE, NO_SCORE]

        def ordered(a: pl.Expr, b: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
            return pl.when(swapped).then(b).otherwise(a), pl.when(swapped).then(a).otherwise(b)

        chosen, rejected = ordered(first, second)
        chosen_score, rejected_score = ordered(*given)
        tie = (wins == 0) & options.drop_ties
        return raw.with_columns(
            chosen_messages=chosen,
            rejected_messages=rejected,
            chosen_score=chosen_score,
            rejected_score=rejected_score,
            verdict=pl.when(tie)
            .then(pl.lit("tie"))
            .when(~wins.is_in([0, 1, 2]))
            .then(pl.lit("no_label")),
        )

    return layout


def label_from_index(preferred: pl.Expr) -> pl.Expr:
    """Convert the number of the preferred response, 0 or 1, to a label (`winner`), 1 or 2."""
    return pl.when(preferred.is_in([0, 1])).then(preferred + 1)


def read_score(value: pl.Expr) -> pl.Expr:
    """Read a score as f64; a value that is not a number (`N/A`) becomes NaN, not null.

    A rule then drops the pair. Two nulls mean a pair without scores, which is kept.
    """
    number = value.cast(pl.Float64, strict=False)
    return pl.when(value.is_not_null() & number.is_null()).then(float("nan")).otherwise(number)
