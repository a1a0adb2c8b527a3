"""The length penalty, lambda of eq. 8: a number of the settings, or calibrated on the responses.

A calibrated penalty removes the slope of reward on length.

Within a prompt p, let x be a response's length and r its reward, both minus the prompt's mean. Over
all prompts, with one intercept per prompt, the ordinary least squares slope of r - lambda x on x is

    slope(lambda) = sum_p sum_i x (r - lambda x) / sum_p sum_i x^2
                  = sum_p Sxr_p / sum_p Sxx_p - lambda

which is zero at lambda = sum_p Sxr_p / sum_p Sxx_p, the slope of the reward itself. Prompts with
longer and more varied responses weigh more, as they do when one lambda is applied to all.

The slope is an association: a calibrated penalty also removes quality that grows with length. The
standard error of the slope: `transforms.measures.length_bias`.
"""

from typing import Literal

import polars as pl

from transforms.errors import InputError
from transforms.pairs.ranked_responses import require_finite_rewards, select_usable
from transforms.settings.pairs import PairSettings

LengthUnit = Literal["chars", "tokens"]

UNITS: tuple[LengthUnit, ...] = ("chars", "tokens")
"""Units of length; each has a column response_<unit>."""


def resolve_length_penalty(responses: pl.DataFrame, settings: PairSettings) -> float:
    """Return lambda of eq. 8 in reward units per unit of length: set as a number, or calibrated.

    A calibrated lambda is estimated on the responses that are paired, not on those of a length
    study of π₀. In an online loop every iteration samples from another policy, and the slope of
    reward on length changes with it. With the lambda of π₀, the pairs of a later iteration would
    favour long or short responses again, and the drift would add up. The slope also changes with
    the reward model, which an experiment may choose. The disadvantage is that lambda differs
    between iterations, so penalised rewards can be compared only within one iteration. The rewards
    without the penalty are stored as well.

    Args:
        responses: as for `dpo_pairs.make_pairs`.
        settings: the penalty, its unit, which responses are usable.

    Raises:
        InputError: the penalty is calibrated, and a reward is not finite or no prompt has usable
            responses of two lengths.
    """
    if settings.length_penalty == "calibrated":
        return calibrate_penalty(select_usable(responses, settings), settings.length_unit)
    return settings.length_penalty


def calibrate_penalty(responses: pl.DataFrame, unit: LengthUnit) -> float:
    """Return the lambda at which the penalised reward has no slope on length within prompts.

    Args:
        responses: prompt_id, response_<unit>, reward; one row per response.
        unit: unit of length.

    Returns:
        lambda, reward units per unit of length; negative if the reward favours short responses.

    Raises:
        InputError: a reward is null, NaN or infinite, or no prompt has responses of two lengths.
    """
    products = sum_length_products(responses, unit)
    if products.is_empty():
        raise InputError(
            "a length penalty cannot be calibrated",
            expected=f"a prompt with responses of different response_{unit}",
            found=f"{responses.height} responses to {responses['prompt_id'].n_unique()} prompts, "
            "none with two lengths",
            remedy="sample more responses per prompt, or set length_penalty to a number",
        )
    reward_by_length, length_by_length = (
        float(products[name].sum()) for name in ("reward_by_length", "length_by_length")
    )
    return reward_by_length / length_by_length


def sum_length_products(responses: pl.DataFrame, unit: LengthUnit) -> pl.DataFrame:
    """Sum products of reward and length per prompt with responses of different lengths.

    Returns:
        prompt_id, reward_by_length (Sxr_p), length_by_length (Sxx_p); in the order of prompts.

    Raises:
        InputError: a reward is null, NaN or infinite.
    """
    require_finite_rewards(responses)
    length = pl.col(f"response_{unit}").cast(pl.Float64)
    x, r = length - length.mean(), pl.col("reward") - pl.col("reward").mean()
    return (
        responses.group_by("prompt_id", maintain_order=True)
        .agg(
            reward_by_length=(x * r).sum(),
            length_by_length=(x * x).sum(),
            varies=length.min() < length.max(),
        )
        .filter("varies")
        .drop("varies")
    )
