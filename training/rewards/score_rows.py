"""Scores of responses by a Python callable: batches, refused rewards, commits.

Not here: the callables (`training.rewards.function`, `training.rewards.verifier`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from tqdm import tqdm

from training.models.unscorable import Refusal, describe_response, raise_refusals

Scorer = Callable[[pl.DataFrame], Sequence[Any]]
"""Rewards of the rows of a frame, one number per row. The frame has prompt_id, response_index,
prompt (messages), response (text, not null) and reference (text or null)."""


@dataclass(frozen=True)
class RowsRun:
    """Counts of a run."""

    responses: int
    empty_responses: int


def score_rows(
    rows: pl.DataFrame,
    scorer: Scorer,
    *,
    chunk_rows: int,
    commit: Callable[[pl.DataFrame], Any],
    description: str = "scores",
) -> RowsRun:
    """Score responses chunk by chunk.

    If a row has no reward, the others are still scored and committed, then the error is raised.

    Args:
        rows: the columns of `Scorer`; response may be null.
        scorer: computes the rewards.
        chunk_rows: rows per call of the scorer and per commit.
        commit: called with prompt_id, response_index, reward for every chunk, in input order.
        description: text of the progress bar.

    Raises:
        InputError: a response is null; or the scorer returns no finite number for it. The message
            gives the number of such rows and the first one.
    """
    refused: list[Refusal] = []
    with tqdm(total=rows.height, desc=description, unit="response", disable=None) as bar:
        for chunk in rows.iter_slices(chunk_rows):
            without = chunk.filter(pl.col("response").is_null())
            refused += [
                Refusal(
                    f"{describe_response(without, row)} has no text", "a text", "null", "drop it"
                )
                for row in range(without.height)
            ]
            texts = chunk.filter(pl.col("response").is_not_null())
            rewards, unusable = convert_rewards(texts, scorer(texts) if texts.height else [])
            refused += unusable
            scored = texts.select(
                "prompt_id",
                pl.col("response_index").cast(pl.Int32),
                pl.Series("reward", rewards, dtype=pl.Float64),
            ).drop_nulls("reward")
            if scored.height:
                commit(scored)
            bar.update(chunk.height)
    raise_refusals(refused, rows.height, committed=True)
    return RowsRun(rows.height, rows.filter(pl.col("response") == "").height)


def convert_rewards(
    rows: pl.DataFrame, values: Sequence[Any]
) -> tuple[list[float | None], list[Refusal]]:
    """Convert the values of a scorer to floats.

    Args:
        rows: prompt_id, response_index; one row per value.
        values: numbers.

    Returns:
        The rewards, and the reasons of the values that are no finite numbers; those are None.
    """
    rewards: list[float | None] = []
    refused = []
    for row, value in enumerate(values):
        try:
            reward = float(value)
        except (TypeError, ValueError):
            reward = math.nan
        rewards.append(reward if math.isfinite(reward) else None)
        if rewards[-1] is None:
            refused.append(
                Refusal(
                    f"the reward of {describe_response(rows, row)} is not finite",
                    "a finite number",
                    repr(value),
                    "correct the reward, or drop the prompt from its source",
                )
            )
    return rewards, refused
