"""Arena-Hard: hard questions of one turn, five-way verdicts against a baseline, two games each.

Lives here: questions of version 0.1 and 2.0, answers, battles, win rates. Not here: where the
files are (`transforms.public_sets.chat`), asking a judge.

Source: Li et al. 2024 (arXiv 2406.11939); files and rules of
https://github.com/lm-sys/arena-hard-auto. A verdict `>>` counts as three battles. The published
score of version 0.1 is a Bradley-Terry model's win rate against the baseline: with one opponent its
maximum likelihood is the share of battles won, ties one half, which is how version 2.0 computes it.
Deviation: intervals draw questions, not single battles, which are not independent.
"""

import polars as pl

from transforms.benchmarks.judged.verdicts import FIRST_SHARES
from transforms.errors import InputError
from transforms.measures import bootstrap
from transforms.measures.bootstrap import Estimate, Resampling

STRONG = 3
"""Battles that a verdict of `>>` or `<<` counts as."""


def questions(raw: pl.DataFrame) -> pl.DataFrame:
    """Native questions of either version: item, subset (category), question (text), in order.

    Raises:
        InputError: a question comes twice, or has no text.
    """
    if "uid" in raw.columns:
        rows = raw.select(item="uid", subset="category", question="prompt")
    else:
        rows = raw.select(
            item="question_id", subset=pl.lit("arena_hard"), question=_text(pl.col("turns"))
        )
    return _once(rows, "question")


def answers(raw: pl.DataFrame) -> pl.DataFrame:
    """Native answers of either version: item, answer.

    Raises:
        InputError: a question is answered twice, or without text.
    """
    if "uid" in raw.columns:
        return _once(raw.select("answer", item="uid"), "answer")
    turns = pl.col("choices").list.first().struct.field("turns")
    return _once(raw.select(item="question_id", answer=_text(turns)), "answer")


def battles(games: pl.DataFrame) -> pl.DataFrame:
    """Count the battles of every question with a verdict in both games.

    Args:
        games: item, model_is_first (whether the model's answer was shown as A), verdict
            (A>>B, A>B, A=B, B>A, B>>A; null without one).

    Returns:
        item, won (battles won by the model, ties one half), battles, games (2), sorted by
        item; questions that lack a game or a verdict are absent.
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
        counted.group_by("item")
        .agg(
            won=(pl.col("share") * pl.col("weight")).sum(),
            battles=pl.col("weight").sum().cast(pl.Int64),
            games=pl.col("share").drop_nulls().len().cast(pl.Int64),
            orders=pl.col("model_is_first").n_unique(),
        )
        .filter((pl.col("games") == 2) & (pl.col("orders") == 2))
        .drop("orders")
        .sort("item")
    )


def win_rate(counted: pl.DataFrame, how: Resampling | None = None) -> Estimate:
    """Estimate the share of battles that a model wins against the baseline; takes `battles`."""
    return bootstrap.estimate_ratio(counted.rename({"item": "prompt_id"}), "won", "battles", how)


def _text(turns: pl.Expr) -> pl.Expr:
    return turns.list.first().struct.field("content")


def _once(rows: pl.DataFrame, what: str) -> pl.DataFrame:
    again = rows.filter(pl.col("item").is_duplicated() | pl.col(what).is_null())
    if again.height:
        raise InputError(
            f"Arena-Hard has a {what} twice, or without text",
            expected=f"one {what} with text per identifier",
            found=f"{again.height} rows, the first {again['item'][0]}",
            remedy="name the published files of one version, and of one model",
        )
    return rows
