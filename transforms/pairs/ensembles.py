"""The spread of several reward models over the same responses.

A Bradley-Terry model is trained on differences of rewards to the same prompt. Adding a number to
all rewards of a prompt changes no such difference, so this number is arbitrary, and every model has
another one for every prompt. Rewards are therefore centred by prompt and model before models are
compared. Centring by the mean of a held-out split would remove one number per model, and leave what
differs between prompts: a spread that the responses have not caused, and that hides the part of it
which they have. The scale is not arbitrary: a difference of rewards is the log-odds of a
preference.

Not here: the ensemble as a ranker (`assets.loop.ranking.ensemble`).
"""

from collections.abc import Sequence

import polars as pl

SPREAD = "spread"
"""Component of an ensemble's reward beside the rewards of its members."""


def measure_spread(members: Sequence[str], prompt: Sequence[str] = ("prompt_id",)) -> pl.Expr:
    """Measure the standard deviation of the members' rewards of a response, in reward units.

    Each member's rewards are centred by the mean over the responses of the prompt that are in the
    frame, so that a constant per prompt and member changes no spread.

    Args:
        members: columns of at least two members' rewards; one row per response.
        prompt: columns that identify the responses that are compared with each other.

    Returns:
        Standard deviation over the k members, divided by k - 1.
    """
    # in the order of names: the order of members in a recipe changes no sum
    centred = [pl.col(name) - pl.col(name).mean().over(prompt) for name in sorted(members)]
    return pl.concat_list(centred).list.std()
