"""Preference labels: which of a pair's two responses an oracle prefers, one row per label.

Lives here: the labels of the gold reward and of a judge, the outcome of several labels. Not here:
which pairs are asked (`transforms.pairs.feedback.queue`), people's files
(`transforms.pairs.feedback.people`), asking a judge (`training.judging.judge`).
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import polars as pl

from transforms.lake.schemas import schema_of
from transforms.lake.schemas.columns import LOOP_SLICE
from transforms.pairs.judgments import ORDERS, combine_verdicts

COLUMNS = [name for name in schema_of("preference_labels") if name not in LOOP_SLICE]

PEOPLE = "people"
"""`oracle` of the labels that people gave."""

DECIDED = ("first", "second")
"""Labels that are trained on."""


def make_gold_labels(
    queue: pl.DataFrame, gold: Callable[[str, str], float], oracle_id: str
) -> pl.DataFrame:
    """Label pairs by a gold reward, without noise.

    Args:
        queue: pair_id, prompt_id, prompt (messages), first, second.
        gold: (last user turn, response) -> gold reward.
        oracle_id: version of the program.

    Returns:
        `preference_labels` without experiment and iteration, in the order of `queue`; equal gold
        rewards tie; the answer names both.
    """
    rewards = [
        tuple(gold(prompt[-1]["content"], text) for text in texts)
        for prompt, *texts in queue.select("prompt", "first", "second").iter_rows()
    ]
    preferred = [
        "first" if first > second else "second" if second > first else "tie"
        for first, second in rewards
    ]
    answers = [f"first {first:.4f}, second {second:.4f}" for first, second in rewards]
    return _labels(queue, preferred, answers, oracle="gold", oracle_id=oracle_id)


def make_judge_labels(queue: pl.DataFrame, judgments: pl.DataFrame, judge_id: str) -> pl.DataFrame:
    """Label pairs by a judge's verdicts in both orders.

    Args:
        queue: pair_id, prompt_id.
        judgments: comparison_id (a pair's id), a_is, verdict, raw_text of one judge.
        judge_id: of the judge.

    Returns:
        `preference_labels` without experiment and iteration, in the order of `queue`: `tie` where
        both orders say so or disagree, `undecided` where one has no usable verdict. The answer is
        JSON: the raw text by which response was shown as A.
    """
    shares = dict(combine_verdicts(judgments).iter_rows())
    texts: dict[str, dict[str, str | None]] = {}
    for pair_id, a_is, text in judgments.select("comparison_id", "a_is", "raw_text").iter_rows():
        texts.setdefault(pair_id, {})[a_is] = text
    named = {1.0: "first", 0.0: "second", 0.5: "tie", None: "undecided"}
    pair_ids = queue["pair_id"].to_list()
    answers = [
        json.dumps({order: texts.get(pair_id, {}).get(order) for order in ORDERS})
        for pair_id in pair_ids
    ]
    preferred = [named[shares.get(pair_id)] for pair_id in pair_ids]
    return _labels(queue, preferred, answers, oracle="judge", oracle_id=judge_id)


def combine_labels(labels: pl.DataFrame) -> pl.DataFrame:
    """Combine the labels of one oracle, pair by pair: the side with more of them.

    A tie counts for neither side; as many for one as for the other is a tie.

    Args:
        labels: pair_id, preferred; one row per label, of several people perhaps.

    Returns:
        pair_id, preferred: first, second, or tie (also where nothing is decided); by pair_id.
    """
    votes = (pl.col("preferred") == "first").sum().cast(pl.Int64) - (
        pl.col("preferred") == "second"
    ).sum().cast(pl.Int64)
    counted = labels.group_by("pair_id").agg(votes=votes).sort("pair_id")
    return counted.select(
        "pair_id",
        preferred=pl.when(pl.col("votes") > 0)
        .then(pl.lit("first"))
        .when(pl.col("votes") < 0)
        .then(pl.lit("second"))
        .otherwise(pl.lit("tie")),
    )


def _labels(
    queue: pl.DataFrame, preferred: list[str], answers: list[Any], **constants: str
) -> pl.DataFrame:
    now = datetime.now(UTC)
    return queue.select(
        "pair_id",
        "prompt_id",
        *(pl.lit(value).alias(name) for name, value in constants.items()),
        preferred=pl.Series(preferred, dtype=pl.String),
        answer=pl.Series(answers, dtype=pl.String),
        created_at=pl.lit(now, dtype=schema_of("preference_labels")["created_at"]),
    ).select(COLUMNS)
