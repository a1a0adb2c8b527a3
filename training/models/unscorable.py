"""Reasons why a response has no reward: a null text, a long text, a reward that is not finite.

Not here: scoring, which commits all other rows first (`training.scoring`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl

from transforms.errors import InputError


@dataclass(frozen=True)
class Refusal:
    """The reason why a response has no reward: the parts of an `InputError`."""

    what: str
    expected: str
    found: str
    remedy: str


class Limit(NamedTuple):
    """The longest conversation that an engine reads."""

    tokens: int
    what: str = "the model's context"
    remedy: str = "sample with a smaller max_context_tokens, or use a model with more context"


def describe_response(chunk: pl.DataFrame, row: int) -> str:
    """Write the keys of a response for a message."""
    return f"prompt {chunk['prompt_id'][row]}, response {chunk['response_index'][row]}"


def refuse_texts(
    chunk: pl.DataFrame,
    token_ids: Sequence[Sequence[int]],
    limit: Limit,
) -> dict[int, Refusal]:
    """Return the reasons of the rows that the engine cannot read, by row number."""
    refusals = {}
    for row, text in enumerate(chunk["response"]):
        if text is None:
            refusals[row] = Refusal(
                f"{describe_response(chunk, row)} has no text", "a text", "null", "drop the row"
            )
        elif len(token_ids[row]) > limit.tokens:
            refusals[row] = Refusal(
                f"{describe_response(chunk, row)} is longer than {limit.what}",
                f"at most {limit.tokens} tokens with its prompt",
                f"{len(token_ids[row])} tokens",
                limit.remedy,
            )
    return refusals


def refuse_rewards(
    chunk: pl.DataFrame, rewards: Sequence[float], readable: Sequence[int], reward_model: Path
) -> dict[int, Refusal]:
    """Return the reasons of the rows whose reward is NaN or infinite, by row number."""
    return {
        row: Refusal(
            f"the reward of {describe_response(chunk, row)} is not finite",
            "a finite number",
            str(rewards[row]),
            f"check the weights of {reward_model}, or score in float32",
        )
        for row in readable
        if not math.isfinite(rewards[row])
    }


def raise_refusals(refused: Sequence[Refusal], rows: int, *, committed: bool) -> None:
    """Raise an error if responses have no reward; the message gives the first one and their number.

    Args:
        refused: the reasons.
        rows: number of all responses.
        committed: whether the rewards of the other responses are committed.

    Raises:
        InputError: `refused` is not empty.
    """
    if refused:
        first, others = refused[0], "; the others are committed" if committed else ""
        raise InputError(
            f"{first.what}; responses without a reward: {len(refused)} of {rows}{others}",
            expected=first.expected,
            found=first.found,
            remedy=first.remedy,
        )
