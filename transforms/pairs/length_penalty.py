"""The length penalty that takes the slope of reward on length out: lambda of eq. 8, calibrated.

Lives here: the estimate. Not here: what the penalty does to pairs (`transforms.pairs.dpo_pairs`).

Within a prompt p, let x be a response's length and r its reward, both less the prompt's mean. Over
all prompts, with an intercept each, the ordinary least squares slope of r - lambda x on x is

    slope(lambda) = sum_p sum_i x (r - lambda x) / sum_p sum_i x^2
                  = sum_p Sxr_p / sum_p Sxx_p - lambda

which is zero at lambda = sum_p Sxr_p / sum_p Sxx_p, the slope of the reward itself. Prompts with
longer and more varied responses weigh more, as they do where one lambda acts on all of them.

The slope is one of association: it also takes out what length and quality have in common. Its
standard error: `transforms.measures.length_bias`.
"""

from typing import Literal

import polars as pl

from transforms.errors import InputError
from transforms.pairs.ranked_responses import require_finite_rewards, select_usable
from transforms.settings.pairs import PairSettings

LengthUnit = Literal["chars", "tokens"]

UNITS: tuple[LengthUnit, ...] = ("chars", "tokens")
"""Units of length, as the columns response_<unit> have them."""


def resolve_length_penalty(responses: pl.DataFrame, settings: PairSettings) -> float:
    """Resolve lambda of eq. 8, reward units a unit of length: the settings' number, or calibrated.

    A calibrated one is measured on the responses that are about to be paired, not on those of a
    length study of pi_0. In an online loop every iteration samples from another policy, and the
    slope of a reward on length moves with it: at the lambda of pi_0, the pairs of a later iteration
    would favour length again, or its opposite, and the drift adds up. It also moves with the reward
    model, which an experiment may choose. The price: lambda differs between iterations, so that
    penalised rewards can be compared within one alone; the rewards are stored beside them.

    Args:
        responses: those of `make_pairs`.
        settings: the penalty, its unit, which responses are usable.

    Raises:
        InputError: a calibrated penalty is asked for, and a reward is not finite or no prompt has
            usable responses of two lengths.
    """
    if settings.length_penalty == "calibrated":
        return calibrate_penalty(select_usable(responses, settings), settings.length_unit)
    return settings.length_penalty


def calibrate_penalty(responses: pl.DataFrame, unit: LengthUnit) -> float:
    """Find the penalty with which the penalised reward has no slope on length within prompts.

    Args:
        responses: prompt_id, response_<unit>, reward; one row per response.
        unit: of length.

    Returns:
        lambda, reward units a unit of length; negative where the reward favours the shorter one.

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
            remedy="sample more responses per prompt, or state length_penalty as a number",
        )
    return products["reward_by_length"].sum() / products["length_by_length"].sum()


def sum_length_products(responses: pl.DataFrame, unit: LengthUnit) -> pl.DataFrame:
    """Sum the products of reward and length within each prompt whose responses differ in length.

    Returns:
        prompt_id, reward_by_length (Sxr_p), length_by_length (Sxx_p); in the order of the prompts.

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
