"""Whether a reward follows length: within each prompt by Pearson's r, and as a slope over prompts.

Lives here: statistics of n scored responses per prompt. Not here: the penalty that takes the bias
out (`transforms.pairs.length_penalty`), the plot (`transforms.views.plots.length_bias`), a summary
of r and how often the longer response wins (`sql/reports/length_bias.sql`).

Source: paper, section 2.3 and Figure 5: responses of pi_0, r of reward and length for each prompt.
The paper names no unit of length, and 8 or 16 responses per prompt; here both units are measured,
and n is the recipe's. A prompt whose r is undefined is counted by its `status` and has no part in a
mean.
"""

import math
from typing import NamedTuple

import polars as pl

from transforms.lake.schemas import schema_of
from transforms.measures.clustered import error_of_ratio
from transforms.pairs.finite_rewards import require_finite_rewards
from transforms.pairs.length_penalty import UNITS, LengthUnit, length_products

KEYS = ["experiment", "iteration", "prompt_id", "response_index"]
GROUP = ["experiment", "iteration", "ranker", "ranker_id", "split", "prompt_id"]

PEARSON_BINS = 20
"""Bins of the coefficient, which lies in [-1, 1]."""
LENGTH_BINS = 20
"""Most bins of the mean length, from 0 up, of a round width: 1, 2 or 5 times a power of ten."""


def correlations(
    generations: pl.DataFrame, scores: pl.DataFrame, prompt_splits: pl.DataFrame
) -> pl.DataFrame:
    """Correlate reward and length within each prompt, in characters and in tokens.

    Args:
        generations: rows of the table, of any slices.
        scores: rows of the table; responses without a score have no part.
        prompt_splits: rows of the table; `split` is null for a prompt of none.

    Returns:
        `reward_length_correlation`: a row for each slice, ranker, prompt and unit, sorted so.
        status is `defined`, or says why there is no r, the first that holds: `one_response`,
        `constant_reward`, `constant_length`. mean_length is over the prompt's scored responses.

    Raises:
        InputError: a reward is null, NaN or infinite, or a response occurs twice.
    """
    scored = generations.join(scores, on=KEYS, validate="1:m")
    require_finite_rewards(scored)
    placed = scored.join(prompt_splits, on="prompt_id", how="left")
    pearson = pl.corr(pl.col("reward"), pl.col("length")).clip(-1, 1)
    rows = (
        placed.unpivot(
            [f"response_{unit}" for unit in UNITS],
            index=[*GROUP, "reward"],
            variable_name="unit",
            value_name="length",
        )
        .with_columns(
            pl.col("unit").str.strip_prefix("response_"), pl.col("length").cast(pl.Float64)
        )
        .group_by(*GROUP, "unit")
        .agg(
            responses=pl.len().cast(pl.Int32),
            mean_length=pl.col("length").mean(),
            status=pl.when(pl.len() < 2).then(pl.lit("one_response"))
            .when(pl.col("reward").min() == pl.col("reward").max()).then(pl.lit("constant_reward"))
            .when(pl.col("length").min() == pl.col("length").max()).then(pl.lit("constant_length"))
            .otherwise(pl.lit("defined")),
            pearson=pearson,
        )
    )  # fmt: skip
    defined = pl.when(pl.col("status") == "defined").then(pl.col("pearson"))
    return (
        rows.with_columns(pearson=defined)
        .sort(*GROUP, "unit")
        .select(list(schema_of("reward_length_correlation")))
    )


class LengthSlope(NamedTuple):
    """The slope of reward on length within prompts and how well the responses determine it."""

    value: float
    """Reward units per unit of length; negative where the reward favours the shorter one."""
    standard_error: float | None
    """Clustered by prompt; None with one prompt."""
    prompts: int
    """Prompts whose responses differ in length: the others say nothing about it."""


def within_prompt_slope(responses: pl.DataFrame, unit: LengthUnit) -> LengthSlope | None:
    """Regress reward on length within prompts; None where no prompt has two lengths.

    Its value is `transforms.pairs.length_penalty.calibrated_penalty`.

    Args:
        responses: prompt_id, response_<unit>, reward; one row per response.
        unit: of length.

    Raises:
        InputError: a reward is null, NaN or infinite.
    """
    products = length_products(responses, unit)
    if products.is_empty():
        return None
    reward, length = pl.col("reward_by_length"), pl.col("length_by_length")
    value, error = products.select(
        value=reward.sum() / length.sum(), error=error_of_ratio(reward, length)
    ).row(0)
    return LengthSlope(value, error, products.height)


def heat_map(coefficients: pl.DataFrame) -> pl.DataFrame:
    """Count prompts in cells of coefficient and mean length (Figure 5); undefined ones are in none.

    Args:
        coefficients: `reward_length_correlation`.

    Returns:
        unit, pearson_from, pearson_to, length_from, length_to, prompts; cells with prompts, sorted.
        A cell holds its lower edges; the last one of the coefficient also holds 1.
    """
    tables = []
    for unit in UNITS:
        shown = coefficients.filter(pl.col("status") == "defined", pl.col("unit") == unit)
        width = _round_width(shown["mean_length"].max() or 1.0)
        column = ((pl.col("pearson") + 1) / 2 * PEARSON_BINS).floor().clip(0, PEARSON_BINS - 1)
        row = (pl.col("mean_length") / width).floor()
        cells = shown.group_by("unit", column=column, row=row).agg(prompts=pl.len().cast(pl.Int64))
        tables.append(
            cells.sort("column", "row").select(
                "unit",
                pearson_from=2 * pl.col("column") / PEARSON_BINS - 1,
                pearson_to=2 * (pl.col("column") + 1) / PEARSON_BINS - 1,
                length_from=pl.col("row") * width,
                length_to=(pl.col("row") + 1) * width,
                prompts="prompts",
            )
        )
    return pl.concat(tables)


def _round_width(longest: float) -> float:
    """Width of at most LENGTH_BINS bins that hold 0 ... longest."""
    least = longest / (LENGTH_BINS - 1)  # the longest may lie on an edge, and then opens a bin
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least)
