"""MT-Bench: 80 questions of two turns, ratings from 1 to 10, matches of two models.

Lives here: questions and reference answers, temperatures, published judge prompts and judgments,
results. Not here: asking a judge, drawing intervals (`transforms.measures.bootstrap`).

Source: Zheng et al. 2023 (arXiv 2306.05685), section 3.2 and appendix; files and rules of
https://github.com/lm-sys/FastChat, fastchat/llm_judge.
"""

import polars as pl

from transforms.errors import InputError
from transforms.files.public_sets import read_fitting
from transforms.measures import bootstrap
from transforms.measures.bootstrap import Resampling
from transforms.settings import OriginSettings

TURNS = 2

TEMPERATURES = {
    "writing": 0.7,
    "roleplay": 0.7,
    "extraction": 0.0,
    "math": 0.0,
    "coding": 0.0,
    "reasoning": 0.0,
    "stem": 0.1,
    "humanities": 0.1,
}
"""Temperature at which a model answers a question, by category."""

WITH_REFERENCE = ("math", "reasoning", "coding")
"""Categories whose answers are judged beside a reference answer."""

QUESTIONS = {"question_id": pl.Int64, "category": pl.String, "turns": pl.List(pl.String)}
"""Native columns of question.jsonl."""

ANSWERS = {
    "question_id": pl.Int64,
    "choices": pl.List(pl.Struct({"turns": pl.List(pl.String)})),
}
"""Native columns of model_answer/*.jsonl and reference_answer/*.jsonl."""

PUBLISHED_PROMPTS = dict.fromkeys(("name", "system_prompt", "prompt_template"), pl.String)
"""Native columns of judge_prompts.jsonl."""

PUBLISHED_RATINGS = {
    "question_id": pl.Int64,
    "turn": pl.Int64,
    "judgment": pl.String,
    "score": pl.Float64,
}
"""Native columns of model_judgment/*_single.jsonl."""

PUBLISHED_MATCHES = {
    "question_id": pl.Int64,
    **dict.fromkeys(("model_1", "model_2", "g1_winner", "g2_winner"), pl.String),
    **dict.fromkeys(("g1_judgment", "g2_judgment"), pl.String),
}
"""Native columns of model_judgment/*_pair.jsonl."""


def read_questions(questions: tuple[str, ...], references: tuple[str, ...]) -> pl.DataFrame:
    """Read questions, and reference answers where their category has them.

    Args:
        questions: files of question.jsonl's layout.
        references: files of reference_answer's layout.

    Returns:
        item_id, category, turns, references (lists of two texts; null where none is used), in file
        order.

    Raises:
        InputError: a file cannot be read, a question has no two turns or an unknown category, or
            one that is judged by a reference has none.
    """
    rows = _read("mt_bench", questions, QUESTIONS)
    answers = _read("mt_bench references", references, ANSWERS).select(
        "question_id", references=pl.col("choices").list.first().struct.field("turns")
    )
    used = pl.col("category").is_in(WITH_REFERENCE)
    joined = rows.join(answers, on="question_id", how="left", maintain_order="left").with_columns(
        references=pl.when(used).then("references")
    )
    unsound = {
        "two turns": pl.col("turns").list.len() != TURNS,
        "a category with a temperature": ~pl.col("category").is_in(list(TEMPERATURES)),
        "a reference of two turns": used
        & (pl.col("references").list.len() != TURNS).fill_null(True),
    }
    for expected, where in unsound.items():
        if (found := joined.filter(where)).height:
            raise InputError(
                "a question of MT-Bench cannot be asked",
                expected=expected,
                found=f"{found.height} without, the first question_id {found['question_id'][0]}",
                remedy="name the published question.jsonl and reference_answer/gpt-4.jsonl",
            )
    return joined.select(
        pl.col("question_id").cast(pl.String).alias("item_id"), pl.exclude("question_id")
    )


def summarise_ratings(ratings: pl.DataFrame, how: Resampling | None = None) -> pl.DataFrame:
    """Average ratings over questions: all, by turn, by category.

    Args:
        ratings: item_id, category, turn, rating (1 to 10; null where the judge gave none, which
            counts in no mean).
        how: draws of questions, level, seed.

    Returns:
        metric (score, score_turn_1, score_turn_2, score_<category>), value, standard_error, low,
        high, prompts. `score` is the mean of all ratings; a question without one of its two counts
        as the one it has.
    """
    rated = ratings.rename({"item_id": "prompt_id"}).drop_nulls("rating")
    parts = [
        rated.with_columns(metric=pl.lit("score")),
        rated.with_columns(metric=pl.format("score_turn_{}", "turn")),
        rated.with_columns(metric=pl.format("score_{}", "category")),
    ]
    return bootstrap.means(pl.concat(parts).sort("metric"), by=["metric"], value="rating", how=how)


def match_outcomes(games: pl.DataFrame) -> pl.DataFrame:
    """Decide matches of two games by FastChat's rule.

    Args:
        games: g1_winner, g2_winner: model_1 | model_2 | tie | error, a row a match.

    Returns:
        The rows with `outcome`: the winner where both games name the same one, else `tie`; null
        where a game has no verdict, which FastChat leaves out.
    """
    first, second = pl.col("g1_winner"), pl.col("g2_winner")
    return games.with_columns(
        outcome=pl.when((first != "error") & (second != "error")).then(
            pl.when(first == second).then(first).otherwise(pl.lit("tie"))
        )
    )


def _read(name: str, files: tuple[str, ...], native: dict[str, pl.DataType]) -> pl.DataFrame:
    return pl.concat(read_fitting(name, OriginSettings(files=files), native))
