"""Accuracy of a reward model on held-out pairs, beside the length-only baseline, as result rows.

Pairs of one prompt are not independent, so standard errors are clustered by prompt, and prompts are
what the bootstrap of an interval draws. Not here: training and scoring.
"""

import math

import polars as pl

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.columns import SHARED
from transforms.measures import bootstrap
from transforms.measures.evaluation import higher


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
    rows = [
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
            **_interval(scored, *sides[metric]),
        }
        for metric in sides
        for value, error, count in [_clustered_share(scored, *sides[metric])]
    ]
    return pl.DataFrame(rows, schema=schema_of("evaluation_results"))


def pair_accuracy(rewards: pl.DataFrame) -> tuple[float, float, int]:
    """Measure a reward model on held-out pairs: share ordered right, a tie one half.

    Takes prompt_id, chosen_reward, rejected_reward; gives the accuracy over pairs, its standard
    error clustered by prompt (NaN with one prompt), and the number of pairs.

    Raises:
        InputError: no pairs.
    """
    return _clustered_share(rewards, pl.col("chosen_reward"), pl.col("rejected_reward"))


def longer_wins(pairs: pl.DataFrame) -> tuple[float, float, int]:
    """Measure length alone as a reward: share of pairs whose chosen text has more characters.

    The baseline that a reward model has to beat. Takes prompt_id, chosen and rejected (message
    lists); gives what `pair_accuracy` gives.
    """
    return _clustered_share(pairs, _chars("chosen"), _chars("rejected"))


def _chars(column: str) -> pl.Expr:
    return pl.col(column).list.last().struct.field("content").str.len_chars()


def _interval(pairs: pl.DataFrame, first: pl.Expr, second: pl.Expr) -> dict[str, float | None]:
    """Low and high of the share of pairs with the first higher; a prompt may have many pairs."""
    prompts = pairs.group_by("prompt_id").agg(right=higher(first, second).sum(), pairs=pl.len())
    share = bootstrap.ratio(prompts, "right", "pairs")
    return {"low": share.low, "high": share.high}


def _clustered_share(
    pairs: pl.DataFrame, first: pl.Expr, second: pl.Expr
) -> tuple[float, float, int]:
    """Share of pairs with the first higher, its cluster-robust standard error, pairs."""
    if pairs.is_empty():
        raise InputError(
            "an accuracy cannot be computed",
            expected="at least one pair",
            found="none",
            remedy="enlarge splits.reward_validation_fraction or add preference sources",
        )
    rows = pairs.select("prompt_id", value=higher(first, second))
    mean = rows["value"].mean()
    sums = rows.group_by("prompt_id").agg((pl.col("value") - mean).sum())["value"]
    clusters = len(sums)
    if clusters == 1:
        return mean, math.nan, rows.height
    variance = (sums**2).sum() * clusters / (clusters - 1)
    return mean, math.sqrt(variance) / rows.height, rows.height
