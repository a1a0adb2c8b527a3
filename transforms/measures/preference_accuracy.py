"""The probabilities of a preference model as rewards of two sides, to be measured as any other.

A pair is right where P(chosen over rejected) is above one half, and one half right at one half:
what `transforms.measures.reward_accuracy` says of two rewards.
"""

import polars as pl


def as_rewards(probabilities: pl.DataFrame) -> pl.DataFrame:
    """Give each side its probability of being better.

    Args:
        probabilities: pair_id, preference_probability (of chosen over rejected).

    Returns:
        pair_id, chosen_reward, rejected_reward (both in [0, 1], their sum 1).
    """
    probability = pl.col("preference_probability")
    return probabilities.select(
        "pair_id", chosen_reward=probability, rejected_reward=1 - probability
    )
