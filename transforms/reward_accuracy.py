"""Accuracy of a reward model on held-out pairs, beside the length-only baseline, as result rows."""

import polars as pl

from transforms.evaluation import longer_wins, pair_accuracy
from transforms.schemas import SCHEMAS, SHARED


def reward_model_results(
    pairs: pl.DataFrame, rewards: pl.DataFrame, policy_id: str
) -> pl.DataFrame:
    """Measure a reward model.

    Args:
        pairs: pair_id, prompt_id, prompt, chosen, rejected.
        rewards: pair_id, chosen_reward, rejected_reward.
        policy_id: checkpoint id of the reward model.

    Returns:
        `evaluation_results` rows of model `reward_model`, split `reward_validation`, decoding
        `labelled`: pair_accuracy (ties one half) and longer_wins. `prompts` counts pairs.
    """
    scored = pairs.join(rewards, on="pair_id")
    figures = {"pair_accuracy": pair_accuracy(scored), "longer_wins": longer_wins(scored)}
    rows = [
        {
            "experiment": SHARED,
            "iteration": 0,
            "model": "reward_model",
            "policy_id": policy_id,
            "split": "reward_validation",
            "decoding": "labelled",
            "metric": metric,
            "versus": None,
            "value": value,
            "standard_error": error,
            "prompts": count,
        }
        for metric, (value, error, count) in figures.items()
    ]
    return pl.DataFrame(rows, schema=SCHEMAS["evaluation_results"])
