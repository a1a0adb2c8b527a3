"""MT-Bench: 80 questions of two turns, temperatures, reference answers, means of ratings (1 to 10).

Not here: the files (`transforms.public_sets.chat`), requests to a judge (`training.benchmarks`).

Source: Zheng et al. 2023 (arXiv 2306.05685), section 3.2 and appendix; files and rules of
https://github.com/lm-sys/FastChat, fastchat/llm_judge.
"""

import polars as pl

from transforms.benchmarks.results import ALL
from transforms.errors import InputError
from transforms.measures import bootstrap
from transforms.measures.bootstrap import Resampling

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
"""Temperature of a model's answers, by category of the question."""

WITH_REFERENCE = ("math", "reasoning", "coding")
"""Categories in which the judge also sees a reference answer."""


def convert_questions(raw: pl.DataFrame, raw_references: pl.DataFrame) -> pl.DataFrame:
    """Convert native questions, and the reference answers of the categories that use them.

    Returns:
        item, subset (category), turns, references (lists of two texts; null in categories without
        references), in order.

    Raises:
        InputError: a question is repeated, does not have two turns, has an unknown category, or has
            no reference although its category needs one.
    """
    answers = raw_references.select(
        "question_id", references=pl.col("choices").list.first().struct.field("turns")
    )
    used = pl.col("category").is_in(WITH_REFERENCE)
    joined = raw.join(answers, on="question_id", how="left", maintain_order="left").with_columns(
        references=pl.when(used).then("references")
    )
    requirements = {
        "each question once": pl.col("question_id").is_duplicated(),
        "two turns": pl.col("turns").list.len() != TURNS,
        "a category with a temperature": ~pl.col("category").is_in(list(TEMPERATURES)),
        "a reference of two turns": used
        & (pl.col("references").list.len() != TURNS).fill_null(True),
    }
    for expected, where in requirements.items():
        if (found := joined.filter(where)).height:
            raise InputError(
                "a question of MT-Bench cannot be used",
                expected=expected,
                found=f"{found.height} differ, the first question_id {found['question_id'][0]}",
                remedy="use the published question.jsonl and reference_answer/gpt-4.jsonl",
            )
    return joined.select(
        "turns", "references", item=pl.col("question_id").cast(pl.String), subset="category"
    )


def summarise_ratings(ratings: pl.DataFrame, how: Resampling | None = None) -> pl.DataFrame:
    """Average ratings over questions: all, by turn, by category.

    Args:
        ratings: item, subset (category), turn, rating (1 to 10; null without a rating, which counts
            in no mean).
        how: number of draws, level, seed; questions are resampled.

    Returns:
        subset (all, or a category), metric (score, score_turn_1, score_turn_2), value,
        standard_error, low, high, prompts. `score` is the mean over questions; a question with one
        of its two ratings counts with that one.
    """
    rated = ratings.select("turn", "rating", "subset", prompt_id="item").drop_nulls("rating")
    whole = rated.with_columns(subset=pl.lit(ALL))
    parts = [
        whole.with_columns(metric=pl.lit("score")),
        whole.with_columns(metric=pl.format("score_turn_{}", "turn")).sort("turn"),
        rated.with_columns(metric=pl.lit("score")).sort("subset"),
    ]
    return bootstrap.estimate_means(
        pl.concat(parts), by=["subset", "metric"], value="rating", how=how
    )
