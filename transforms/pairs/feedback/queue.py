"""The label queue: which of an iteration's pairs of responses go to the preference oracle.

Lives here: every pair that could be asked, and the choice among them. Not here: the answers
(`transforms.pairs.feedback.labels`). A pair is a comparison of `transforms.pairs.judgments`: two
different texts under one prompt, whose id is a hash of them, so that equal pairs are asked once.
"""

from typing import Literal

import polars as pl

from transforms.identity import FIELD, hash_text
from transforms.pairs.finite_rewards import require_finite_rewards
from transforms.pairs.judgments import round_robin


def askable_pairs(responses: pl.DataFrame) -> pl.DataFrame:
    """List every two different responses of a prompt, with what a reward model thinks of them.

    Args:
        responses: prompt_id, response_index, prompt (messages), response, reward (of a
            Bradley-Terry model); one row per response.

    Returns:
        pair_id, prompt_id, prompt, first, second (texts, in alphabetical order),
        first_response_index, second_response_index (of equal texts, those of their first meeting),
        preference_probability: sigmoid(r(first) - r(second)).

    Raises:
        InputError: a reward is not finite.
    """
    require_finite_rewards(responses)
    meetings, comparisons = round_robin(responses)
    met = meetings.drop_nulls("comparison_id").unique(
        "comparison_id", keep="first", maintain_order=True
    )
    first_is_left = pl.col("left_is_first")
    sides = met.select(
        "prompt_id",
        pair_id="comparison_id",
        first_response_index=pl.when(first_is_left).then("left").otherwise("right"),
        second_response_index=pl.when(first_is_left).then("right").otherwise("left"),
    )
    rewards = responses.select("prompt_id", "response_index", "reward")
    for side in ("first", "second"):
        index = f"{side}_response_index"
        sides = sides.join(
            rewards.rename({"response_index": index, "reward": f"{side}_reward"}),
            on=["prompt_id", index],
            maintain_order="left",
        )
    gap = pl.col("first_reward") - pl.col("second_reward")
    return sides.join(
        comparisons.rename({"comparison_id": "pair_id"}), on="pair_id", maintain_order="left"
    ).select(
        "pair_id",
        "prompt_id",
        "prompt",
        "first",
        "second",
        "first_response_index",
        "second_response_index",
        preference_probability=1 / (1 + (-gap).exp()),
    )


def choose_pairs(
    pairs: pl.DataFrame, labels: int, choice: Literal["uncertainty", "random"], seed: int
) -> pl.DataFrame:
    """Take the pairs that are sent, the first of the queue first.

    Args:
        pairs: of `askable_pairs`.
        labels: how many; all where there are fewer.
        choice: `uncertainty` takes those whose preference_probability is nearest one half;
            `random` those with the lowest hash of seed and pair_id. Equal ones go by the hash.
        seed: of the hash.

    Returns:
        The rows taken, and their place in the queue, from 0.
    """
    drawn = hash_text(pl.concat_str(pl.lit(str(seed)), "pair_id", separator=FIELD))
    doubt = (pl.col("preference_probability") - 0.5).abs()
    order = [doubt, drawn] if choice == "uncertainty" else [drawn]
    taken = pairs.sort(order).head(labels)
    return taken.with_columns(place=pl.int_range(pl.len(), dtype=pl.Int32))
