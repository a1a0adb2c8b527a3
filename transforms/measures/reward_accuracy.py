"""Accuracy of reward and preference models on labelled pairs and on responses with a gold reward.

Pairs of one prompt are not independent, so standard errors are clustered by prompt, and the
bootstrap of an interval draws prompts. Results on held-out pairs include the accuracy of choosing
the longer response. Not here: training and scoring.
"""

from collections.abc import Mapping

import polars as pl

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import SHARED
from transforms.measures import bootstrap
from transforms.measures.clustered import error_of_ratio, higher
from transforms.measures.evaluation import summarise

ABOVE_CHANCE, ABOVE_LENGTH = "accuracy_is_above_chance", "accuracy_is_above_length"
WARNINGS = {
    ABOVE_CHANCE: "Passes when the 95 % interval of the accuracy on held-out pairs is above one "
    "half; else the model may order responses at random, and a policy would be trained on noise.",
    ABOVE_LENGTH: "Passes when the model orders more of the held-out pairs correctly than length "
    "alone does.",
}
"""Checks of a trained ranker that only warn, with their descriptions."""


def measure_reward_model(
    pairs: pl.DataFrame,
    rewards: pl.DataFrame,
    *,
    model: str,
    policy_id: str,
    experiment: str = SHARED,
    iteration: int = 0,
) -> pl.DataFrame:
    """Measure a reward model on held-out labelled pairs.

    Args:
        pairs: pair_id, prompt_id, prompt, chosen, rejected.
        rewards: pair_id, chosen_reward, rejected_reward.
        model: name of the reward model.
        policy_id: its checkpoint id.
        experiment: experiment that trained it.
        iteration: iteration in which it was refreshed; 0 outside the loop.

    Returns:
        `evaluation_results` rows of that model, split `reward_validation`, decoding
        `labelled`: pair_accuracy (ties one half) and longer_wins. `prompts` counts pairs.
    """
    scored = pairs.join(rewards, on="pair_id")
    sides = {
        "pair_accuracy": (pl.col("chosen_reward"), pl.col("rejected_reward")),
        "longer_wins": (count_response_chars("chosen"), count_response_chars("rejected")),
    }
    rows = []
    for metric, (first, second) in sides.items():
        by_prompt = _count_right(scored, first, second)
        value, error, count = _compute_accuracy(by_prompt)
        interval = bootstrap.estimate_ratio(by_prompt, "right", "pairs")
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


def find_warnings(results: pl.DataFrame) -> Mapping[str, str]:
    """Return the texts of `WARNINGS` that hold for one model, by check.

    Args:
        results: rows of `measure_reward_model`.
    """
    by_metric = {row["metric"]: row for row in results.iter_rows(named=True)}
    accuracy, longer = by_metric["pair_accuracy"], by_metric["longer_wins"]["value"]
    by_length = max(longer, 1 - longer)
    found = {}
    if accuracy["low"] is None or accuracy["low"] <= 0.5:
        found[ABOVE_CHANCE] = (
            f"{describe_accuracy(results)}: not above chance (0.5). The loop would train on noise;"
            " use more pairs, pairs with clearer labels, or another ranker"
        )
    if accuracy["value"] <= by_length:
        found[ABOVE_LENGTH] = (
            f"choosing the {'longer' if longer >= 0.5 else 'shorter'} response is right in"
            f" {by_length:.3f} of the held-out pairs, the model in {accuracy['value']:.3f}"
        )
    return found


def describe_accuracy(results: pl.DataFrame) -> str:
    """Return the accuracy on held-out pairs as text, with its standard error.

    Args:
        results: rows of `measure_reward_model`.
    """
    [row] = results.filter(metric="pair_accuracy").to_dicts()
    error = "" if row["standard_error"] is None else f" ± {row['standard_error']:.3f}"
    return f"accuracy {row['value']:.3f}{error} on {row['prompts']} held-out pairs"


def measure_pair_accuracy(rewards: pl.DataFrame) -> tuple[float, float | None, int]:
    """Measure the accuracy on held-out pairs: share ordered correctly, a tie one half.

    Args:
        rewards: prompt_id, chosen_reward, rejected_reward.

    Returns:
        The accuracy over pairs, its standard error clustered by prompt (None with one prompt), and
        the number of pairs.

    Raises:
        InputError: no pairs.
    """
    return _compute_accuracy(
        _count_right(rewards, pl.col("chosen_reward"), pl.col("rejected_reward"))
    )


def measure_refreshed_accuracy(
    responses: pl.DataFrame,
    *,
    experiment: str,
    reward_model: str,
    reward_model_id: str,
    refreshes: int,
) -> pl.DataFrame:
    """Measure one reward model on the responses of every policy.

    Args:
        responses: sampled rows of `evaluation_responses` of several policies, with the reward of
            this reward model; iteration 0 is π₀.
        experiment: experiment that trained the reward model.
        reward_model: asset of the reward model.
        reward_model_id: checkpoint id of the reward model.
        refreshes: number of refreshes; 0 for the model before the loop.

    Returns:
        Rows of `reward_accuracy`, by iteration of the policy and split. A policy without two
        responses of different gold reward has no row.
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


def count_response_chars(column: str) -> pl.Expr:
    """Count the characters of the responses in a column of message lists (their last turn)."""
    return pl.col(column).list.last().struct.field("content").str.len_chars()


def _count_right(pairs: pl.DataFrame, first: pl.Expr, second: pl.Expr) -> pl.DataFrame:
    """Count each prompt's pairs, and its pairs with the first higher, a tie one half."""
    if pairs.is_empty():
        raise InputError(
            "an accuracy cannot be computed",
            expected="at least one pair",
            found="none",
            remedy="enlarge splits.reward_validation_fraction or add preference sources",
        )
    right = higher(first, second).sum()
    return pairs.group_by("prompt_id", maintain_order=True).agg(right=right, pairs=pl.len())


def _compute_accuracy(by_prompt: pl.DataFrame) -> tuple[float, float | None, int]:
    right, pairs = pl.col("right"), pl.col("pairs").cast(pl.Int64)
    return by_prompt.select(
        right.sum() / pairs.sum(), error=error_of_ratio(right, pairs), pairs=pairs.sum()
    ).row(0)
