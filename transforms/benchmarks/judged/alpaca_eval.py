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

DIFFICULTY_OF = {
    "instruction_sha256": "instruction_difficulty_estimate",
    "index": "instruction_difficulty",
    "": "instruction_difficulty",  # an index that pandas wrote without a name
}
"""Columns that identify instructions in a file of difficulties, each with its column of values."""


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
    """Add the difficulty of each instruction.

    Args:
        rows: instruction, and other columns; all instructions of the set in their order, if the
            file gives their numbers.
        raw: native difficulties, by the SHA-256 of the instruction's text or, as in alpaca_eval's
            `instruction_difficulty.csv` and `df_gamed.csv`, by its number from 0.

    Raises:
        InputError: an instruction has no difficulty, or the numbers are of other instructions.
    """
    filled = {name for name in raw.columns if raw[name].count()}
    key = next((name for name, value in DIFFICULTY_OF.items() if {name, value} <= filled), None)
    if key is None:
        raise _refuse_difficulties(f"the columns {', '.join(sorted(filled))}")
    known = raw.select(key=key, difficulty=DIFFICULTY_OF[key]).drop_nulls().unique("key")
    if key == "instruction_sha256":
        keyed = rows.with_columns(key=plh.col("instruction").chash.sha2_256())
    elif known.height == rows.height:
        keyed = rows.with_columns(key=pl.int_range(pl.len(), dtype=pl.Int64))
    else:
        raise _refuse_difficulties(f"{known.height} numbers for {rows.height} instructions")
    joined = keyed.join(known, on="key", how="left", maintain_order="left")
    if missing := joined["difficulty"].null_count():
        raise _refuse_difficulties(f"none for {missing} of {rows.height}")
    return joined.drop("key")


def _refuse_difficulties(found: str) -> InputError:
    return InputError(
        "difficulties do not match the instructions",
        expected="one per instruction, by the SHA-256 of its text (instruction_sha256,"
        " instruction_difficulty_estimate) or its number from 0 (index, instruction_difficulty)",
        found=found,
        remedy="use the file for these instructions, or leave it out",
    )


def convert_gamed_baselines(raw: pl.DataFrame) -> pl.DataFrame:
    """Convert native rows of `df_gamed.csv` for `transforms.measures.length_control.fit`.

    Returns:
        model, preference ([0, 1]), length_difference, difficulty, in order; rows without a
        preference are left out, as published.

    Raises:
        InputError: no row, or a preference outside [0, 1].
    """
    rows = raw.drop_nulls("preference").select(
        "model",
        "preference",
        length_difference="std_delta_len",
        difficulty="instruction_difficulty",
    )
    outside = rows.filter(~pl.col("preference").is_between(0, 1)).height
    if outside or rows.is_empty() or sum(rows.null_count().row(0)):
        raise InputError(
            "the gamed baselines of AlpacaEval cannot be used",
            expected="rows with model, preference in [0, 1], std_delta_len, instruction_difficulty",
            found=f"{rows.height} rows, {outside} preferences outside [0, 1], nulls:"
            f" {dict(zip(rows.columns, rows.null_count().row(0), strict=True))}",
            remedy="use df_gamed.csv of https://huggingface.co/datasets/tatsu-lab/alpaca_eval",
        )
    return rows


def _add_items(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(prompt=make_turn("user", pl.col("instruction"))).with_columns(
        item=identify_messages("prompt")
    )
