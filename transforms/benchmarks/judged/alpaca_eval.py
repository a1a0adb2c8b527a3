"""AlpacaEval 2: instructions with the baseline's outputs, difficulties, a judge's preference.

Not here: the files (`transforms.public_sets.chat`), the regression
(`transforms.measures.length_control`), figures (`transforms.benchmarks.judged.figures`).

Source: https://github.com/tatsu-lab/alpaca_eval; length control: Dubois et al. 2024 (arXiv
2404.04475).
"""

import math
from collections.abc import Mapping

import polars as pl
import polars_hash as plh

from transforms.errors import InputError
from transforms.identity import identify_messages
from transforms.sources.layouts.conversations import make_turn


def compute_preference(top_logprobs: Mapping[str, float], first: str, second: str) -> float | None:
    """Convert the log-probabilities of a verdict's token to the first answer's share of a win.

    Args:
        top_logprobs: natural logarithms by token; spaces around a token are ignored.
        first: the judge's token if the first answer is better.
        second: the judge's token if the second answer is better.

    Returns:
        p(first) / (p(first) + p(second)); a token without a log-probability has p = 0. None if
        neither token has one.
    """
    chances = {first: 0.0, second: 0.0}
    for token, logprob in top_logprobs.items():
        if token.strip() in chances:
            chances[token.strip()] += math.exp(logprob)
    whole = sum(chances.values())
    return chances[first] / whole if whole else None


def convert_instructions(raw: pl.DataFrame) -> pl.DataFrame:
    """Convert the baseline's native outputs: item (prompt_id), instruction, baseline.

    Raises:
        InputError: an instruction is repeated, or an instruction or output has no text.
    """
    refused = raw.filter(
        pl.col("instruction").is_duplicated()
        | pl.any_horizontal(pl.col("instruction", "output").is_null())
    )
    if refused.height:
        raise InputError(
            "the outputs of AlpacaEval's baseline cannot be used",
            expected="one output per instruction",
            found=f"{refused.height} instructions repeated or without text, the first in"
            f" {refused['row_key'][0]}",
            remedy="use the outputs of one model",
        )
    return _add_items(raw).select("item", "instruction", baseline="output")


def add_difficulties(rows: pl.DataFrame, raw: pl.DataFrame) -> pl.DataFrame:
    """Add the difficulty of each instruction, by the SHA-256 of its text.

    Args:
        rows: instruction, and other columns.
        raw: native difficulties.

    Raises:
        InputError: an instruction has no difficulty.
    """
    known = raw.select(
        sha256="instruction_sha256", difficulty="instruction_difficulty_estimate"
    ).unique("sha256")
    joined = rows.with_columns(sha256=plh.col("instruction").chash.sha2_256()).join(
        known, on="sha256", how="left", maintain_order="left"
    )
    if missing := joined["difficulty"].null_count():
        raise InputError(
            "difficulties do not match the instructions",
            expected="one per instruction, identified by the SHA-256 of its text",
            found=f"none for {missing} of {rows.height}",
            remedy="use the file for these instructions, or leave it out",
        )
    return joined.drop("sha256")


def _add_items(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(prompt=make_turn("user", pl.col("instruction"))).with_columns(
        item=identify_messages("prompt")
    )
