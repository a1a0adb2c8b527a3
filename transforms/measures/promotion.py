"""Promotion: the decision whether a selected policy (the challenger) replaces the current one.

Lives here: the comparison of the two policies, the falls of benchmark results, the decision. Not
here: the decisions' table (`transforms.lake.records.promotions`), requests to a judge, sampling.

The advantage is measured on prompts of its own, which selected no policy, paired by prompt. All
decisions of a lake, of all its experiments, count together: decision k has the error rate
(1 - level) * 6 / (pi k)^2, and these rates add up to 1 - level. By Bonferroni's inequality the
probability of any false promotion is then at most (1 - level) / 2, whichever policies are compared.
Unequal parts of an error rate for a sequence of tests: Foster and Stine 2008
(https://doi.org/10.1111/j.1467-9868.2007.00643.x). The interval is Student's, because a bootstrap
has too few draws in the tails of a late decision. Someone who reads the results on these prompts
and chooses the next experiment by them is not covered.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import polars as pl

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.measures.bootstrap import Estimate
from transforms.measures.clustered import error_of_mean, higher

WIN_RATES = {"win_rate_reward": "reward", "win_rate_gold": "gold_reward"}
"""For each win rate, the column whose higher value wins."""

FALL = dict(cast(pl.Struct, cast(pl.List, schema_of("promotions")["falls"]).inner).to_schema())
"""Columns of `falls`."""


class Decision(NamedTuple):
    """Whether the challenger is promoted, and the reason as text."""

    promoted: bool
    reason: str


def compute_decision_level(level: float, number: int) -> float:
    """Return the confidence level of one decision.

    Args:
        level: confidence level of all decisions together.
        number: number of the decision in the lake, from 1.
    """
    return 1 - (1 - level) * 6 / (math.pi * number) ** 2


def estimate_advantage(rows: pl.DataFrame, level: float) -> Estimate:
    """Estimate the mean advantage with Student's interval over prompts.

    Args:
        rows: of `compute_advantages`.
        level: confidence level of the interval.

    Returns:
        Error and interval are None with one prompt.
    """
    from scipy import stats  # imported here, since it takes a second

    value, error = rows.select(pl.col("value").mean(), error=error_of_mean(pl.col("value"))).row(0)
    if error is None:
        return Estimate(value, None, None, None, rows.height)
    reach = error * stats.t.ppf((1 + level) / 2, rows.height - 1)
    return Estimate(value, error, value - reach, value + reach, rows.height)


def compute_advantages(
    challenger: pl.DataFrame, current: pl.DataFrame, metric: str
) -> pl.DataFrame:
    """Compare two policies prompt by prompt.

    Args:
        challenger: `evaluation_responses` of one split and decoding.
        current: the same rows of the current policy.
        metric: reward or gold_reward (difference of a prompt's means), win_rate_reward or
            win_rate_gold (share of the pairs of their responses that the challenger wins, a tie one
            half, less one half).

    Returns:
        One row per prompt that both answered: prompt_id, value; above zero where the challenger is
        better.

    Raises:
        InputError: no prompt has the metric for both.
    """
    pairs = challenger.join(current, on="prompt_id", suffix="_current", maintain_order="left_right")
    column = WIN_RATES.get(metric, metric)
    ours, theirs = pl.col(column), pl.col(f"{column}_current")
    value = higher(ours, theirs) - 0.5 if metric in WIN_RATES else ours - theirs
    rows = pairs.group_by("prompt_id").agg(value=value.mean()).drop_nulls("value")
    _require_common(rows, challenger, current, f"with a {column} of both")
    return rows.sort("prompt_id")


def pair_first_responses(
    challenger: pl.DataFrame, current: pl.DataFrame, prompts: pl.DataFrame
) -> pl.DataFrame:
    """Pair the first responses of the two policies to each common prompt, for a judge.

    Args:
        challenger: `evaluation_responses` of one split and decoding.
        current: the same rows of the current policy.
        prompts: the table `prompts`.

    Returns:
        pair_id (the prompt's id), prompt, chosen (of the challenger), rejected (of the current
        policy).

    Raises:
        InputError: there is no common prompt.
    """
    first = [
        rows.filter(response_index=0).select(
            "prompt_id",
            pl.concat_list(pl.struct(role=pl.lit("assistant"), content="response")).alias(side),
        )
        for rows, side in ((challenger, "chosen"), (current, "rejected"))
    ]
    pairs = first[0].join(first[1], on="prompt_id").join(prompts, on="prompt_id")
    _require_common(pairs, challenger, current, "that both answered")
    return pairs.sort("prompt_id").select("prompt", "chosen", "rejected", pair_id="prompt_id")


def measure_falls(
    results: pl.DataFrame,
    bounds: Mapping[str, float],
    metrics: Mapping[str, str],
    challenger_id: str,
    current_id: str,
) -> pl.DataFrame:
    """Measure how far benchmarks fall from the current policy to its challenger.

    Args:
        results: rows of `benchmark_results` over all items of a benchmark.
        bounds: largest allowed fall by benchmark, in the unit of its value.
        metrics: compared metric by benchmark.
        challenger_id: policy_id.
        current_id: policy_id.

    Returns:
        One row per bound: benchmark, metric, value, current_value, fall (above zero if the
        challenger is worse), max_fall, missing (the reason if there is no fall, else null).
    """
    rows = []
    for benchmark, bound in bounds.items():
        found = results.filter(
            pl.col("benchmark") == benchmark,
            pl.col("metric") == metrics[benchmark],
            pl.col("value").is_not_null(),
        )
        ours, theirs = (found.filter(policy_id=one) for one in (challenger_id, current_id))
        # a policy may be measured more than once; compare two results of equal settings
        both = ours.join(
            theirs, on="benchmark_id", suffix="_current", maintain_order="left_right"
        ).head(1)
        value, current_value = (
            both.select("value", "value_current").row(0) if both.height else (None, None)
        )
        rows.append(
            {
                "benchmark": benchmark,
                "metric": metrics[benchmark],
                "value": value,
                "current_value": current_value,
                "fall": None if value is None else current_value - value,
                "max_fall": bound,
                "missing": None if both.height else _explain_missing(ours, theirs),
            }
        )
    return pl.DataFrame(rows, schema=FALL)


def decide(metric: str, level: float, advantage: Estimate, fallen: pl.DataFrame) -> Decision:
    """Promote if the interval is above zero and no benchmark falls by more than its bound.

    Args:
        metric: metric of the advantage.
        level: level of the interval.
        advantage: mean over prompts of `compute_advantages`.
        fallen: from `measure_falls`.
    """
    figures = _describe_advantage(metric, level, advantage)
    obstacles = []
    if advantage.low is None:
        obstacles.append(f"{figures}: one prompt has no interval")
    elif advantage.low <= 0:
        obstacles.append(f"{figures}: the interval is not above zero")
    for row in fallen.iter_rows(named=True):
        if row["missing"]:
            obstacles.append(f"{row['benchmark']} {row['missing']}")
        elif row["fall"] > row["max_fall"]:
            obstacles.append(f"{_describe_fall(row)}, more than {row['max_fall']:g}")
    if obstacles:
        return Decision(False, "; ".join(obstacles))
    kept = [
        f"{_describe_fall(row)}, {row['max_fall']:g} allowed"
        for row in fallen.iter_rows(named=True)
    ]
    return Decision(True, "; ".join([figures, *kept]))


def _require_common(
    common: pl.DataFrame, challenger: pl.DataFrame, current: pl.DataFrame, which: str
) -> None:
    """Refuse to compare two policies that have no prompt in common."""
    if common.is_empty():
        raise InputError(
            "the current policy and its challenger cannot be compared",
            expected=f"prompts of the split {which}",
            found=f"no common prompt: {challenger.height} responses of the challenger,"
            f" {current.height} of the current policy",
            remedy="evaluate both on the same prompt_splits",
        )


def _describe_advantage(metric: str, level: float, advantage: Estimate) -> str:
    sign = "- 1/2 " if metric.startswith("win_rate") else ""
    text = f"{metric} {sign}{advantage.value:+.4g}"
    if advantage.low is not None:
        text += f" [{advantage.low:.4g}, {advantage.high:.4g}] at {level:.4g}"
    return f"{text} on {advantage.prompts} prompts"


def _describe_fall(row: Mapping[str, Any]) -> str:
    verb = "falls" if row["fall"] > 0 else "rises"
    return f"{row['benchmark']} {verb} by {abs(row['fall']):.4g} to {row['value']:.4g}"


def _explain_missing(ours: pl.DataFrame, theirs: pl.DataFrame) -> str:
    absent = [
        name
        for name, rows in (("the challenger", ours), ("the current policy", theirs))
        if rows.is_empty()
    ]
    if absent:
        return f"has no result of {' nor of '.join(absent)}"
    return "was measured with different settings for the two policies (benchmark_id)"
