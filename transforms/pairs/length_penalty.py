"""The length penalty that takes the slope of reward on length out: lambda of eq. 8, calibrated.

Lives here: the estimate. Not here: what the penalty does to pairs (`transforms.pairs.dpo_pairs`).

Within a prompt p, let x be a response's length and r its reward, both less the prompt's mean. Over
all prompts, with an intercept each, the ordinary least squares slope of r - lambda x on x is

    slope(lambda) = sum_p sum_i x (r - lambda x) / sum_p sum_i x^2
                  = sum_p Sxr_p / sum_p Sxx_p - lambda

which is zero at lambda = sum_p Sxr_p / sum_p Sxx_p, the slope of the reward itself. Prompts with
longer and more varied responses weigh more, as they do where one lambda acts on all of them.

The standard error is clustered by prompt, as responses to one prompt are not independent: with the
residual products u_p = Sxr_p - lambda Sxx_p and G prompts of varying length,

    se^2 = G / (G - 1) * sum_p u_p^2 / (sum_p Sxx_p)^2

(Liang and Zeger 1986, https://doi.org/10.1093/biomet/73.1.13). The slope is one of association: it
also takes out what length and quality have in common.
"""

import math
from typing import Literal, NamedTuple

import polars as pl

from transforms.errors import InputError
from transforms.pairs.finite_rewards import require_finite_rewards

LengthUnit = Literal["chars", "tokens"]

UNITS: tuple[LengthUnit, ...] = ("chars", "tokens")
"""Units of length, as the columns response_<unit> have them."""


class CalibratedPenalty(NamedTuple):
    """A length penalty and how well the responses determine it."""

    penalty: float
    """lambda, reward units a unit of length; negative where the reward favours the shorter one."""
    standard_error: float
    """Clustered by prompt; NaN with one prompt."""
    prompts: int
    """Prompts whose responses differ in length: the others say nothing about it."""


def calibrated_penalty(responses: pl.DataFrame, unit: LengthUnit) -> CalibratedPenalty:
    """Find the penalty with which the penalised reward has no slope on length within prompts.

    Args:
        responses: prompt_id, response_index, response_<unit>, reward; one row a response.
        unit: of length.

    Raises:
        InputError: a reward is null, NaN or infinite, or no prompt has responses of two lengths.
    """
    slope = within_prompt_slope(responses, unit)
    if slope is None:
        raise InputError(
            "a length penalty cannot be calibrated",
            expected=f"a prompt with responses of different response_{unit}",
            found=f"{responses.height} responses to {responses['prompt_id'].n_unique()} prompts, "
            "none with two lengths",
            remedy="sample more responses a prompt, or state length_penalty as a number",
        )
    return slope


def within_prompt_slope(responses: pl.DataFrame, unit: LengthUnit) -> CalibratedPenalty | None:
    """Regress reward on length within prompts, as `calibrated_penalty`; none where undefined."""
    require_finite_rewards(responses)
    length = pl.col(f"response_{unit}").cast(pl.Float64)
    x, r = length - length.mean(), pl.col("reward") - pl.col("reward").mean()
    products = (
        responses.group_by("prompt_id", maintain_order=True)
        .agg(xr=(x * r).sum(), xx=(x * x).sum(), varies=length.min() < length.max())
        .filter("varies")
    )
    if products.is_empty():
        return None
    total = products["xx"].sum()
    penalty = products["xr"].sum() / total
    prompts = products.height
    if prompts == 1:
        return CalibratedPenalty(penalty, math.nan, prompts)
    residual = products["xr"] - penalty * products["xx"]
    variance = (residual**2).sum() * prompts / (prompts - 1)
    return CalibratedPenalty(penalty, math.sqrt(variance) / total, prompts)
