"""Accuracy of a reward model on the responses of several policies, against the gold reward.

Not here: the accuracy itself (`transforms.measures.evaluation`), scoring.
"""

import polars as pl

from transforms.lake.schemas import schema_of
from transforms.measures.evaluation import summarise


def refreshed_accuracy(
    responses: pl.DataFrame,
    *,
    experiment: str,
    reward_model: str,
    reward_model_id: str,
    refreshes: int,
) -> pl.DataFrame:
    """Measure one reward model on every policy's responses.

    Args:
        responses: sampled rows of `evaluation_responses`, of several policies, with the reward of
            the model that is measured; iteration 0 is pi_0.
        experiment: whose reward model it is.
        reward_model: its asset.
        reward_model_id: its checkpoint.
        refreshes: how often it was refreshed; 0 for the one before the loop.

    Returns:
        Rows of `reward_accuracy`, by iteration of the policy and split; a policy without two
        responses of different gold reward has none.
    """
    rows = [
        summarise(of_policy)
        .filter(metric="reward_accuracy")
        .with_columns(iteration=pl.lit(of_policy.item(0, "iteration"), pl.Int32))
        for of_policy in responses.sort("iteration").partition_by("model", maintain_order=True)
    ]
    return (
        pl.concat(rows)
        .with_columns(
            experiment=pl.lit(experiment),
            policy="model",
            reward_model=pl.lit(reward_model),
            reward_model_id=pl.lit(reward_model_id),
            refreshes=pl.lit(refreshes, pl.Int32),
            accuracy="value",
        )
        .select(list(schema_of("reward_accuracy")))
        .sort("iteration", "split")
    )
