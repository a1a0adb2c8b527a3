"""AlpacaEval 2: its files, the preference that a judge's token probabilities give, its figures.

Lives here: instructions and baseline outputs, published annotations, difficulties, results. Not
here: the regression (`transforms.measures.length_control`), asking a judge.

Source: https://github.com/tatsu-lab/alpaca_eval, 805 instructions, outputs of gpt4_1106_preview as
the baseline; length control: Dubois et al. 2024 (arXiv 2404.04475).
"""

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from transforms.errors import InputError
from transforms.files.public_sets import read_fitting
from transforms.identity import message_id
from transforms.layouts.conversations import turn
from transforms.measures import length_control
from transforms.settings import OriginSettings

OUTPUTS = dict.fromkeys(("instruction", "output", "generator"), pl.String)
"""Native columns of model_outputs.json."""

ANNOTATIONS = {
    **dict.fromkeys(
        ("instruction", "output_1", "output_2", "generator_1", "generator_2"), pl.String
    ),
    "preference": pl.Float64,
}
"""Native columns of annotations.json: preference 1 where output_1 wins, 2 where output_2 does."""

DIFFICULTIES = {"instruction_sha256": pl.String, "instruction_difficulty_estimate": pl.Float64}
"""Native columns of a file of difficulties."""


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


def read_outputs(name: str, files: tuple[str, ...]) -> pl.DataFrame:
    """Read a model's outputs: prompt_id, prompt (messages), instruction, output, in file order.

    Raises:
        InputError: a file cannot be read, a row does not fit, or an instruction comes twice.
    """
    rows = _read(name, files, OUTPUTS)
    if rows["instruction"].is_duplicated().any():
        raise InputError(
            f"set {name} has an instruction twice",
            expected="one output an instruction",
            found=repr(rows.filter(pl.col("instruction").is_duplicated())["instruction"][0][:80]),
            remedy="name the outputs of one model",
        )
    return _identified(rows).select("prompt_id", "prompt", "instruction", "output")


def read_annotations(name: str, files: tuple[str, ...]) -> pl.DataFrame:
    """Read published annotations as judged pairs of generator_2 against generator_1.

    Returns:
        prompt_id, instruction, preference ([0, 1]; the published 1 to 2, and 0 for a draw),
        response_chars, baseline_chars; in file order, rows without a preference left out.
    """
    rows = _identified(_read(name, files, ANNOTATIONS)).drop_nulls("preference")
    preference = pl.col("preference")
    return rows.select(
        "prompt_id",
        "instruction",
        preference=pl.when(preference == 0).then(0.5).otherwise(preference - 1),
        response_chars=pl.col("output_2").str.len_chars().cast(pl.Int64),
        baseline_chars=pl.col("output_1").str.len_chars().cast(pl.Int64),
    )


def with_difficulty(pairs: pl.DataFrame, files: tuple[str, ...]) -> pl.DataFrame:
    """Add the difficulty of each instruction, found by the SHA-256 of its text.

    Raises:
        InputError: an instruction has none.
    """
    known = _read("difficulties", files, DIFFICULTIES).select(
        sha256="instruction_sha256", difficulty="instruction_difficulty_estimate"
    )
    joined = pairs.with_columns(sha256=pl.col("instruction").chash.sha2_256()).join(
        known, on="sha256", how="left", maintain_order="left"
    )
    if missing := joined["difficulty"].null_count():
        raise InputError(
            "difficulties do not fit the instructions",
            expected="one a instruction, named by the SHA-256 of its text",
            found=f"none for {missing} of {pairs.height}",
            remedy="name the file that belongs to these instructions, or none",
        )
    return joined.drop("sha256")


def published_length_control(files: tuple[str, ...], model: str) -> length_control.LengthControl:
    """Read a model's published coefficients, whose length is the baseline's minus the model's."""
    native = {
        "": pl.String,
        "np.tanh(std_delta_len)": pl.Float64,
        "instruction_difficulty": pl.Float64,
        "not_gamed_baseline.astype(float)": pl.Float64,
    }
    row = _read("coefficients", files, native).row(by_predicate=pl.col("") == model, named=True)
    return length_control.LengthControl(*(row[name] for name in list(native)[1:]))


def _read(name: str, files: tuple[str, ...], native: Mapping[str, Any]) -> pl.DataFrame:
    return pl.concat(read_fitting(name, OriginSettings(files=files), native))


def _identified(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(turn("user", pl.col("instruction")).alias("prompt")).with_columns(
        message_id("prompt").alias("prompt_id")
    )
