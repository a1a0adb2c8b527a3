"""The spread and the agreement of several reward models over the same responses.

A Bradley-Terry model is trained on differences of rewards to the same prompt. Adding a number to
all rewards of a prompt changes no such difference, so this number is arbitrary, and every model has
another one for every prompt. Rewards are therefore centred by prompt and model before models are
compared. Centring by the mean of a held-out split would remove one number per model, and leave the
arbitrary differences between prompts in the spread. The scale is not arbitrary: a difference of
rewards is the log-odds of a preference.

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


def select_members(components: pl.DataFrame) -> pl.DataFrame:
    """Select the members' rewards of an ensemble; without an ensemble there are none.

    Args:
        components: `score_components` of a slice, which may be those of a weighted sum.

    Returns:
        prompt_id, response_index, component, reward.
    """
    of_ensemble = SPREAD in components["component"]
    rows = components.filter(pl.col("component") != SPREAD, pl.lit(of_ensemble))
    return rows.select("prompt_id", "response_index", "component", "reward")


def measure_member_agreement(responses: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Measure how often two members order two responses to a prompt in the same way.

    The members were trained on the same pairs, so they agree on responses like those. Where a
    policy has moved to responses that the pairs did not decide, they differ: it can be seen without
    labels. Responses with equal texts are not compared. A member to which both are equal agrees
    with no other member about them.

    Args:
        responses: prompt_id, response_index, response; one row per response.
        members: from `select_members`.

    Returns:
        prompt_id, member_agreement: share of the pairs of members; one row per pair of responses.
    """
    key = ["prompt_id", "response_index"]
    rows = members.join(responses.select(*key, "response"), on=key, maintain_order="left")
    pairs = rows.join(
        rows, on=["prompt_id", "component"], suffix="_second", maintain_order="left_right"
    ).filter(
        pl.col("response_index") < pl.col("response_index_second"),
        pl.col("response") != pl.col("response_second"),
    )
    difference = pl.col("reward") - pl.col("reward_second")
    up, down, all_ = (difference > 0).sum(), (difference < 0).sum(), pl.len()
    alike = up * (up - 1.0) + down * (down - 1.0)
    return (
        pairs.group_by("prompt_id", "response_index", "response_index_second", maintain_order=True)
        .agg(member_agreement=alike / (all_ * (all_ - 1.0)))
        .select("prompt_id", "member_agreement")
    )
