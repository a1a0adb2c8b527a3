"""Arena-Hard: questions of versions 0.1 and 2.0, the baseline's answers, battles, win rates.

Each question has two games against the baseline, with five-way verdicts. Not here: the files
(`transforms.public_sets.chat`), requests to a judge (`training.benchmarks`).

Source: Li et al. 2024 (arXiv 2406.11939); files and rules of
https://github.com/lm-sys/arena-hard-auto. A verdict `>>` counts as three battles. The published
score of version 0.1 is a Bradley-Terry model's win rate against the baseline. With one opponent,
its maximum-likelihood estimate is the share of battles won, a tie one half; version 2.0 computes
this share directly.
Deviation: intervals resample questions, not single battles, which are not independent.
"""

import polars as pl

from transforms.benchmarks.judged.verdicts import FIRST_SHARES
from transforms.errors import InputError
from transforms.measures import bootstrap
from transforms.measures.bootstrap import Estimate, Resampling

STRONG = 3
"""Number of battles for which a verdict `>>` or `<<` counts."""


def convert_questions(raw: pl.DataFrame) -> pl.DataFrame:
    """Convert native questions of either version: item, subset (category), question, in order.

    Raises:
        InputError: a question is repeated, or has no text.
    """
    if "uid" in raw.columns:
        rows = raw.select(item="uid", subset="category", question="prompt")
    else:
        rows = raw.select(
            item="question_id", subset=pl.lit("arena_hard"), question=_first_text(pl.col("turns"))
        )
    return _require_unique(rows, "question")


def convert_answers(raw: pl.DataFrame) -> pl.DataFrame:
    """Convert native answers of either version: item, answer.

    Raises:
        InputError: a question has two answers, or an answer without text.
    """
    if "uid" in raw.columns:
        return _require_unique(raw.select("answer", item="uid"), "answer")
    turns = pl.col("choices").list.first().struct.field("turns")
    return _require_unique(raw.select(item="question_id", answer=_first_text(turns)), "answer")


def count_battles(games: pl.DataFrame) -> pl.DataFrame:
    """Count the battles of every question that has a verdict in both games.

    Args:
        games: item, model_is_first (whether the model's answer was shown as A), verdict
            (A>>B, A>B, A=B, B>A, B>>A; null without verdict), in the order of their writing; of
            several verdicts on one game, the last counts.

    Returns:
        item, won (battles won by the model, a tie counts one half), battles, games (2), sorted by
        item; questions without a verdict in both games are left out.
    """
    share = pl.col("verdict").replace_strict(
        FIRST_SHARES["five_way"], default=None, return_dtype=pl.Float64
    )
    strong = pl.col("verdict").str.contains(">>|<<").fill_null(False)
    counted = games.with_columns(
        share=pl.when("model_is_first").then(share).otherwise(1 - share),
        weight=pl.when(strong).then(STRONG).otherwise(1),
    )
    return (
        counted.drop_nulls("share")
        .unique(["item", "model_is_first"], keep="last", maintain_order=True)
        .group_by("item")
        .agg(
            won=(pl.col("share") * pl.col("weight")).sum(),
            battles=pl.col("weight").sum().cast(pl.Int64),
            games=pl.len().cast(pl.Int64),
        )
        .filter(pl.col("games") == 2)
        .sort("item")
    )


def estimate_win_rate(counted: pl.DataFrame, how: Resampling | None = None) -> Estimate:
    """Estimate the share of battles that a model wins, from the rows of `count_battles`."""
    return bootstrap.estimate_ratio(counted.rename({"item": "prompt_id"}), "won", "battles", how)


def _first_text(turns: pl.Expr) -> pl.Expr:
    return turns.list.first().struct.field("content")


def _require_unique(rows: pl.DataFrame, what: str) -> pl.DataFrame:
    refused = rows.filter(pl.col("item").is_duplicated() | pl.col(what).is_null())
    if refused.height:
        raise InputError(
            f"Arena-Hard has a repeated {what}, or one without text",
            expected=f"one {what} with text per identifier",
            found=f"{refused.height} rows, the first {refused['item'][0]}",
            remedy="use the published files of one version and of one model",
        )
    return rows
