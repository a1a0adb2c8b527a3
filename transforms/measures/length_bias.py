"""Length bias of a reward: Pearson's r within each prompt, and one slope over all prompts.

Lives here: statistics of n scored responses per prompt. Not here: the penalty that removes the bias
(`transforms.pairs.length_penalty`), the plot (`transforms.views.plots.length_bias`), the mean of r
and how often the longer response wins (`sql/reports/length_bias.sql`).

Source: paper, section 2.3 and Figure 5: responses of π₀, r of reward and length for each prompt.
The paper gives no unit of length, and 8 or 16 responses per prompt. Here both units are measured,
and the recipe sets n. A prompt whose r is undefined has a `status` with the reason and is ignored
in means.
"""

import math
from typing import NamedTuple, cast

import polars as pl

from transforms.lake.schemas import schema_of
from transforms.measures.clustered import error_of_ratio
from transforms.pairs.length_penalty import UNITS, LengthUnit, sum_length_products
from transforms.pairs.ranked_responses import require_finite_rewards

KEYS = ["experiment", "iteration", "prompt_id", "response_index"]
GROUP = ["experiment", "iteration", "ranker", "ranker_id", "split", "prompt_id"]

PEARSON_BINS = 20
"""Bins of the coefficient, from -1 to 1."""
LENGTH_BINS = 20
"""Maximum number of bins of the mean length, from 0 up. Their width is 1, 2 or 5 times a power of
ten."""


def correlate(
    generations: pl.DataFrame, scores: pl.DataFrame, prompt_splits: pl.DataFrame
) -> pl.DataFrame:
    """Correlate reward and length within each prompt, in characters and in tokens.

    Args:
        generations: rows of the table, of any slices.
        scores: rows of the table; responses without a score are ignored.
        prompt_splits: rows of the table; `split` is null for a prompt without a split.

    Returns:
        `reward_length_correlation`: one row per slice, ranker, prompt and unit, sorted by these.
        status is `defined`, or the first reason that applies why there is no r: `one_response`,
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
    """The slope of reward on length within prompts, with its standard error."""

    value: float
    """Reward units per unit of length; negative if the reward favours shorter responses."""
    standard_error: float | None
    """Clustered by prompt; None with one prompt."""
    prompts: int
    """Prompts whose responses differ in length; only they determine the slope."""


def estimate_slope(responses: pl.DataFrame, unit: LengthUnit) -> LengthSlope | None:
    """Regress reward on length within prompts; None if no prompt has responses of two lengths.

    The value equals `transforms.pairs.length_penalty.calibrate_penalty`.

    Args:
        responses: prompt_id, response_<unit>, reward; one row per response.
        unit: unit of length.

    Raises:
        InputError: a reward is null, NaN or infinite.
    """
    products = sum_length_products(responses, unit)
    if products.is_empty():
        return None
    reward, length = pl.col("reward_by_length"), pl.col("length_by_length")
    value, error = products.select(
        value=reward.sum() / length.sum(), error=error_of_ratio(reward, length)
    ).row(0)
    return LengthSlope(value, error, products.height)


def count_cells(coefficients: pl.DataFrame) -> pl.DataFrame:
    """Count prompts in cells of coefficient and mean length (Figure 5).

    Args:
        coefficients: `reward_length_correlation`; undefined coefficients are ignored.

    Returns:
        One row per cell with prompts, sorted: unit, pearson_from, pearson_to, length_from,
        length_to, prompts. A cell includes its lower edges; the last cell of the coefficient also
        includes 1.
    """
    tables = []
    for unit in UNITS:
        shown = coefficients.filter(pl.col("status") == "defined", pl.col("unit") == unit)
        width = _round_width(cast("float | None", shown["mean_length"].max()) or 1.0)
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
    """Return the smallest round width with which LENGTH_BINS bins cover 0 ... longest."""
    least = longest / (LENGTH_BINS - 1)  # a longest length on an edge needs one more bin
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least)
