"""MT-Bench: 80 questions of two turns, temperatures, reference answers, means of ratings (1 to 10).

Not here: the files (`transforms.public_sets.chat`), requests to a judge (`training.benchmarks`).

Source: Zheng et al. 2023 (arXiv 2306.05685), section 3.2 and appendix; files and rules of
https://github.com/lm-sys/FastChat, fastchat/llm_judge.
"""

import polars as pl

from transforms.benchmarks.judged.verdicts import HIGHEST, LOWEST
from transforms.benchmarks.results import ALL
from transforms.errors import InputError
from transforms.measures import bootstrap
from transforms.measures.bootstrap import Estimate, Resampling

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


def drop_invalid_ratings(ratings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep one rating of 1 to 10 per question and turn; the last one, if there are several.

    FastChat writes -1 where it found no rating in the judge's answer, and appends to its file when
    it is run again. Its score leaves out -1, and averages repeated rows.

    Args:
        ratings: item, turn, rating (null without a rating), in the order of their writing.

    Returns:
        The kept rows, in order, and the others with `reason`: no_rating (null), not_1_to_10, or
        rated_again (a later row has a rating of the same turn).
    """
    rating = pl.col("rating")
    reason = (
        pl.when(rating.is_null())
        .then(pl.lit("no_rating"))
        .when(~rating.is_between(LOWEST, HIGHEST))
        .then(pl.lit("not_1_to_10"))
    )
    named = ratings.with_columns(reason=reason)
    valid = named.filter(pl.col("reason").is_null())
    last = pl.int_range(pl.len()).reverse().over("item", "turn") == 0
    dropped = [
        named.filter(pl.col("reason").is_not_null()),
        valid.filter(~last).with_columns(reason=pl.lit("rated_again")),
    ]
    return valid.filter(last).drop("reason"), pl.concat(dropped)


def summarise_ratings(ratings: pl.DataFrame, how: Resampling | None = None) -> pl.DataFrame:
    """Average ratings: all, by turn, by category.

    Args:
        ratings: item, subset (category), turn, rating; rows that `drop_invalid_ratings` drops count
            in no mean.
        how: number of draws, level, seed; questions are resampled, each with its ratings.

    Returns:
        subset (all, or a category), metric (score, score_turn_1, score_turn_2), value,
        standard_error, low, high, prompts (questions with a rating). `score` is the mean over
        ratings, as in FastChat: a question with one of its two ratings counts half as much as one
        with both.
    """
    rated, _ = drop_invalid_ratings(ratings)
    whole = rated.with_columns(subset=pl.lit(ALL))
    parts = [
        whole.with_columns(metric=pl.lit("score")),
        whole.with_columns(metric=pl.format("score_turn_{}", "turn")).sort("turn"),
        rated.with_columns(metric=pl.lit("score")).sort("subset"),
    ]
    counted = (
        pl.concat(parts)
        .group_by("subset", "metric", "item", maintain_order=True)
        .agg(total=pl.col("rating").sum(), ratings=pl.len())
        .rename({"item": "prompt_id"})
    )
    groups = counted.partition_by("subset", "metric", as_dict=True)
    rows = [
        (*group, *bootstrap.estimate_ratio(rows, "total", "ratings", how))
        for group, rows in groups.items()
    ]
    columns = {
        **dict.fromkeys(("subset", "metric"), pl.String),
        **dict.fromkeys(Estimate._fields[:-1], pl.Float64),
        "prompts": pl.Int64,
    }
    return pl.DataFrame(rows, columns, orient="row")
