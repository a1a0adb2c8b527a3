"""Accuracy of reward and preference models on labelled pairs and on responses with a gold reward.

Pairs of one prompt are not independent, so standard errors are clustered by prompt, and prompts are
what the bootstrap of an interval draws. Beside the accuracy on held-out pairs is that of length
alone. Not here: training and scoring.
"""

import polars as pl

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.columns import SHARED
from transforms.measures import bootstrap
from transforms.measures.clustered import error_of_ratio, higher
from transforms.measures.evaluation import summarise


def reward_model_results(
    pairs: pl.DataFrame,
    rewards: pl.DataFrame,
    *,
    model: str,
    policy_id: str,
    experiment: str = SHARED,
    iteration: int = 0,
) -> pl.DataFrame:
    """Measure a reward model.

    Args:
        pairs: pair_id, prompt_id, prompt, chosen, rejected.
        rewards: pair_id, chosen_reward, rejected_reward.
        model: name of the reward model.
        policy_id: its checkpoint id.
        experiment: whose it is.
        iteration: that it was refreshed in; 0 outside the loop.

    Returns:
        `evaluation_results` rows of that model, split `reward_validation`, decoding
        `labelled`: pair_accuracy (ties one half) and longer_wins. `prompts` counts pairs.
    """
    scored = pairs.join(rewards, on="pair_id")
    sides = {
        "pair_accuracy": (pl.col("chosen_reward"), pl.col("rejected_reward")),
        "longer_wins": (_chars("chosen"), _chars("rejected")),
    }
    rows = []
    for metric, (first, second) in sides.items():
        by_prompt = _shares(scored, first, second)
        value, error, count = _clustered(by_prompt)
        interval = bootstrap.ratio(by_prompt, "right", "pairs")
        rows.append(
            {
                "experiment": experiment,
                "iteration": iteration,
                "model": model,
                "policy_id": policy_id,
                "split": "reward_validation",
                "decoding": "labelled",
                "metric": metric,
                "versus": None,
                "value": value,
                "standard_error": error,
                "prompts": count,
                "low": interval.low,
                "high": interval.high,
            }
        )
    return pl.DataFrame(rows, schema=schema_of("evaluation_results"))


def pair_accuracy(rewards: pl.DataFrame) -> tuple[float, float | None, int]:
    """Measure a reward model on held-out pairs: share ordered right, a tie one half.

    Takes prompt_id, chosen_reward, rejected_reward; returns the accuracy over pairs, its standard
    error clustered by prompt (None with one prompt), and the number of pairs.

    Raises:
        InputError: no pairs.
    """
    return _clustered(_shares(rewards, pl.col("chosen_reward"), pl.col("rejected_reward")))


def as_rewards(probabilities: pl.DataFrame) -> pl.DataFrame:
    """Turn a preference model's probabilities into a reward per side, to be measured as any other.

    A pair is then right where P(chosen over rejected) is above one half, half right at one half.

    Args:
        probabilities: pair_id, preference_probability (of chosen over rejected).

    Returns:
        pair_id, chosen_reward, rejected_reward (both in [0, 1], their sum 1).
    """
    probability = pl.col("preference_probability")
    return probabilities.select(
        "pair_id", chosen_reward=probability, rejected_reward=1 - probability
    )


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


def _chars(column: str) -> pl.Expr:
    return pl.col(column).list.last().struct.field("content").str.len_chars()


def _shares(pairs: pl.DataFrame, first: pl.Expr, second: pl.Expr) -> pl.DataFrame:
    """Count each prompt's pairs, and those with the first higher, a tie one half."""
    if pairs.is_empty():
        raise InputError(
            "an accuracy cannot be computed",
            expected="at least one pair",
            found="none",
            remedy="enlarge splits.reward_validation_fraction or add preference sources",
        )
    right = higher(first, second).sum()
    return pairs.group_by("prompt_id", maintain_order=True).agg(right=right, pairs=pl.len())


def _clustered(by_prompt: pl.DataFrame) -> tuple[float, float | None, int]:
    right, pairs = pl.col("right"), pl.col("pairs").cast(pl.Int64)
    return by_prompt.select(
        right.sum() / pairs.sum(), error=error_of_ratio(right, pairs), pairs=pairs.sum()
    ).row(0)
