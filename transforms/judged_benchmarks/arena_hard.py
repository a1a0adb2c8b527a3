"""Arena-Hard: hard questions of one turn, five-way verdicts against a baseline, two games each.

Lives here: questions of version 0.1 and 2.0, answers, what verdicts add up to. Not here: asking a
judge, drawing intervals (`transforms.measures.bootstrap`).

Source: Li et al. 2024 (arXiv 2406.11939); files and rules of
https://github.com/lm-sys/arena-hard-auto. A verdict `>>` counts as three battles. The published
score of version 0.1 is a Bradley-Terry model's win rate against the baseline: with one opponent its
maximum likelihood is the share of battles won, ties one half, which is how version 2.0 computes it.
Deviation: intervals draw questions, not single battles, which are not independent.
"""

import polars as pl

from transforms.errors import InputError
from transforms.files.public_sets import read_fitting
from transforms.judged_benchmarks.verdicts import FIRST_SHARES
from transforms.measures import bootstrap
from transforms.measures.bootstrap import Estimate, Resampling
from transforms.settings import OriginSettings

STRONG = 3
"""Battles that a verdict of `>>` or `<<` counts as."""

CONTENT = pl.List(pl.Struct({"content": pl.String}))

QUESTIONS = {
    "0.1": {"question_id": pl.String, "cluster": pl.String, "turns": CONTENT},
    "2.0": dict.fromkeys(("uid", "category", "prompt"), pl.String),
}
"""Native columns of question.jsonl, by version."""

ANSWERS = {"question_id": pl.String, "choices": pl.List(pl.Struct({"turns": CONTENT}))}
"""Native columns of model_answer/*.jsonl, version 0.1."""


def read_questions(version: str, files: tuple[str, ...]) -> pl.DataFrame:
    """Read questions: item_id, category, question (text), in file order.

    The category of version 0.1 is `arena-hard-v0.1`; that of 2.0 `hard_prompt` or
    `creative_writing`.

    Raises:
        InputError: a file cannot be read, a row does not fit, or a question comes twice.
    """
    rows = _read("arena_hard", files, QUESTIONS[version])
    if version == "0.1":
        questions = rows.select(
            item_id="question_id", category=pl.lit("arena-hard-v0.1"), question=_text("turns")
        )
    else:
        questions = rows.select(item_id="uid", category="category", question="prompt")
    return _once(questions, "question")


def read_answers(files: tuple[str, ...]) -> pl.DataFrame:
    """Read a model's answers of version 0.1: item_id, answer.

    Raises:
        InputError: a file cannot be read, a row does not fit, or a question is answered twice.
    """
    rows = _read("arena_hard answers", files, ANSWERS)
    turns = pl.col("choices").list.first().struct.field("turns")
    return _once(rows.select(item_id="question_id", answer=_text(turns)), "answer")


def battles(games: pl.DataFrame) -> pl.DataFrame:
    """Count the battles of every question with a verdict in both games.

    Args:
        games: item_id, model_is_first (whether the model's answer was shown as A), verdict
            (A>>B, A>B, A=B, B>A, B>>A; null without one).

    Returns:
        item_id, won (battles won by the model, ties one half), battles, games (2), sorted by
        item_id; questions that lack a game or a verdict are absent.
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
        counted.group_by("item_id")
        .agg(
            won=(pl.col("share") * pl.col("weight")).sum(),
            battles=pl.col("weight").sum().cast(pl.Int64),
            games=pl.col("share").drop_nulls().len().cast(pl.Int64),
            orders=pl.col("model_is_first").n_unique(),
        )
        .filter((pl.col("games") == 2) & (pl.col("orders") == 2))
        .drop("orders")
        .sort("item_id")
    )


def win_rate(counted: pl.DataFrame, how: Resampling | None = None) -> Estimate:
    """Estimate the share of battles that a model wins against the baseline; takes `battles`."""
    return bootstrap.ratio(counted.rename({"item_id": "prompt_id"}), "won", "battles", how)


def _text(turns: str | pl.Expr) -> pl.Expr:
    column = pl.col(turns) if isinstance(turns, str) else turns
    return column.list.first().struct.field("content")


def _once(rows: pl.DataFrame, what: str) -> pl.DataFrame:
    again = rows.filter(pl.col("item_id").is_duplicated() | pl.col(what).is_null())
    if again.height:
        raise InputError(
            f"Arena-Hard has a {what} twice, or without text",
            expected=f"one {what} with text an identifier",
            found=f"{again.height} rows, the first {again['item_id'][0]}",
            remedy="name the published files of one version, and of one model",
        )
    return rows


def _read(name: str, files: tuple[str, ...], native: dict[str, pl.DataType]) -> pl.DataFrame:
    return pl.concat(read_fitting(name, OriginSettings(files=files), native))
