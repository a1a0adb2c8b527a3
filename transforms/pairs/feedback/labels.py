"""Preference labels: which of a pair's two responses an oracle prefers, one row per label.

Labels by the gold reward and by a judge, and the combination of several labels. Not here: the
choice of pairs (`transforms.pairs.feedback.queue`), people's files
(`transforms.pairs.feedback.people`), requests to a judge (`training.judging.judge`).
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import polars as pl

from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import LOOP_SLICE
from transforms.pairs.judgments import ORDERS, combine_verdicts

COLUMNS = [name for name in schema_of("preference_labels") if name not in LOOP_SLICE]

PEOPLE = "people"
"""Value of `oracle` in labels by people."""

DECIDED = ("first", "second")
"""Values of `preferred` that a training uses."""


def make_gold_labels(
    queue: pl.DataFrame, gold: Callable[[str, str], float], oracle_id: str
) -> pl.DataFrame:
    """Label pairs by a gold reward, without noise.

    Args:
        queue: pair_id, prompt_id, prompt (messages), first, second.
        gold: takes the last user turn and a response; returns the gold reward.
        oracle_id: version of the gold program.

    Returns:
        `preference_labels` without experiment and iteration, in the order of `queue`. Equal gold
        rewards are a tie. The answer contains both rewards.
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
    return _make_labels(queue, preferred, answers, oracle="gold", oracle_id=oracle_id)


def make_judge_labels(queue: pl.DataFrame, judgments: pl.DataFrame, judge_id: str) -> pl.DataFrame:
    """Label pairs by a judge's verdicts in both orders.

    Args:
        queue: pair_id, prompt_id.
        judgments: comparison_id (a pair's id), a_is, verdict, raw_text of one judge.
        judge_id: id of the judge.

    Returns:
        `preference_labels` without experiment and iteration, in the order of `queue`: `tie` if both
        orders are ties or disagree, `undecided` if one has no usable verdict. The answer is JSON:
        the raw text by the response that was shown as A.
    """
    shares = dict(combine_verdicts(judgments).iter_rows())
    texts: dict[str, dict[str, str | None]] = {}
    for pair_id, a_is, text in judgments.select("comparison_id", "a_is", "raw_text").iter_rows():
        texts.setdefault(pair_id, {})[a_is] = text
    sides = {1.0: "first", 0.0: "second", 0.5: "tie", None: "undecided"}
    pair_ids = queue["pair_id"].to_list()
    answers = [
        json.dumps({order: texts.get(pair_id, {}).get(order) for order in ORDERS})
        for pair_id in pair_ids
    ]
    preferred = [sides[shares.get(pair_id)] for pair_id in pair_ids]
    return _make_labels(queue, preferred, answers, oracle="judge", oracle_id=judge_id)


def combine_labels(labels: pl.DataFrame) -> pl.DataFrame:
    """Combine the labels of one oracle to one per pair, by majority.

    A tie counts for neither side; equal counts are a tie.

    Args:
        labels: pair_id, preferred; one row per label, possibly of several people.

    Returns:
        pair_id, preferred: first, second, or tie (also if all are undecided); sorted by pair_id.
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


def _make_labels(
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
