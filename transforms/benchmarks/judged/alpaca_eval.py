"""AlpacaEval 2: instructions with the baseline's outputs, difficulties, a judge's preference.

Not here: where the files are (`transforms.public_sets.chat`), the regression
(`transforms.measures.length_control`), figures (`transforms.benchmarks.judged.figures`).

Source: https://github.com/tatsu-lab/alpaca_eval; length control: Dubois et al. 2024 (arXiv
2404.04475).
"""

import math
from collections.abc import Mapping

import polars as pl
import polars_hash  # noqa: F401 - registers `chash`

from transforms.errors import InputError
from transforms.identity import identify_messages
from transforms.sources.layouts.conversations import make_turn


def preference_of(top_logprobs: Mapping[str, float], first: str, second: str) -> float | None:
    """Turn the log-probabilities of a verdict's token into a share of a win of the first answer.

    Args:
        top_logprobs: natural logarithms by token; spaces around a token do not count.
        first: what the judge writes where the first answer is better.
        second: the same for the second.

    Returns:
        p(first) / (p(first) + p(second)), a token that is not there having none; None where
        neither is.
    """
    chances = {first: 0.0, second: 0.0}
    for token, logprob in top_logprobs.items():
        if token.strip() in chances:
            chances[token.strip()] += math.exp(logprob)
    whole = sum(chances.values())
    return chances[first] / whole if whole else None


def instructions(raw: pl.DataFrame) -> pl.DataFrame:
    """Native outputs of the baseline to instructions: item (prompt_id), instruction, baseline.

    Raises:
        InputError: an instruction comes twice, or lacks text on a side.
    """
    unsound = raw.filter(
        pl.col("instruction").is_duplicated()
        | pl.any_horizontal(pl.col("instruction", "output").is_null())
    )
    if unsound.height:
        raise InputError(
            "the outputs of AlpacaEval's baseline cannot be compared with",
            expected="one output per instruction",
            found=f"{unsound.height} instructions twice or without text, the first in"
            f" {unsound['row_key'][0]}",
            remedy="name the outputs of one model, once",
        )
    return _identified(raw).select("item", "instruction", baseline="output")


def with_difficulty(rows: pl.DataFrame, raw: pl.DataFrame) -> pl.DataFrame:
    """Add the difficulty of each instruction, found by the SHA-256 of its text.

    Args:
        rows: instruction, and other columns.
        raw: native difficulties.

    Raises:
        InputError: an instruction has none.
    """
    known = raw.select(
        sha256="instruction_sha256", difficulty="instruction_difficulty_estimate"
    ).unique("sha256")
    joined = rows.with_columns(sha256=pl.col("instruction").chash.sha2_256()).join(
        known, on="sha256", how="left", maintain_order="left"
    )
    if missing := joined["difficulty"].null_count():
        raise InputError(
            "difficulties do not fit the instructions",
            expected="one per instruction, identified by the SHA-256 of its text",
            found=f"none for {missing} of {rows.height}",
            remedy="name the file of these instructions, or none",
        )
    return joined.drop("sha256")


def _identified(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(prompt=make_turn("user", pl.col("instruction"))).with_columns(
        item=identify_messages("prompt")
    )
