"""Promotion: whether a checkpoint beats the current one, and what it may lose elsewhere.

Lives here: the comparison and the decision. Not here: the decisions' table
(`transforms.lake.records.promotions`), asking a judge, drawing responses.

The advantage is measured on validation prompts, paired by prompt; the interval is a bootstrap's
over prompts. A selected policy was chosen by the same prompts among an experiment's iterates, so
that its advantage is somewhat flattered: the evaluation prompts, which decide nothing, say how much
of it is real.
"""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.measures.bootstrap import Estimate
from transforms.measures.clustered import higher

WIN_RATES = {"win_rate_reward": "reward", "win_rate_gold": "gold_reward"}
"""Column whose higher value wins."""

FALL = dict(schema_of("promotions")["falls"].inner.to_schema())
"""Columns of `falls`."""


class Decision(NamedTuple):
    """Whether the challenger is promoted, and why or why not, in words."""

    promoted: bool
    reason: str


def advantages(challenger: pl.DataFrame, current: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Compare two policies prompt by prompt.

    Args:
        challenger: `evaluation_responses` of one split and decoding.
        current: the same of the current policy.
        metric: reward or gold_reward (difference of a prompt's means), win_rate_reward or
            win_rate_gold (share of a prompt's cross pairs won, a tie one half, less one half).

    Returns:
        prompt_id, value: above zero where the challenger is better; the prompts of both.

    Raises:
        InputError: no prompt has the metric for both.
    """
    pairs = challenger.join(current, on="prompt_id", suffix="_current")
    column = WIN_RATES.get(metric, metric)
    ours, theirs = pl.col(column), pl.col(f"{column}_current")
    value = higher(ours, theirs) - 0.5 if metric in WIN_RATES else ours - theirs
    rows = pairs.group_by("prompt_id").agg(value=value.mean()).drop_nulls("value")
    if rows.is_empty():
        raise InputError(
            "the current policy and its challenger cannot be compared",
            expected=f"validation prompts with a {column} of both",
            found=f"{challenger.height} responses of the challenger, {current.height} of the other,"
            " none in common",
            remedy="evaluate both on the same prompt_splits",
        )
    return rows.sort("prompt_id")


def one_response_each(
    challenger: pl.DataFrame, current: pl.DataFrame, prompts: pl.DataFrame
) -> pl.DataFrame:
    """Take the first response of each policy to each common prompt, as pairs for a judge.

    Args:
        challenger: `evaluation_responses` of one split and decoding.
        current: the same of the current policy.
        prompts: table of that name.

    Returns:
        pair_id (the prompt's id), prompt, chosen (the challenger's), rejected (the current one's).
    """
    first = [
        rows.filter(response_index=0).select(
            "prompt_id",
            pl.concat_list(pl.struct(role=pl.lit("assistant"), content="response")).alias(side),
        )
        for rows, side in ((challenger, "chosen"), (current, "rejected"))
    ]
    pairs = first[0].join(first[1], on="prompt_id").join(prompts, on="prompt_id")
    return pairs.sort("prompt_id").select("prompt", "chosen", "rejected", pair_id="prompt_id")


def falls(
    results: pl.DataFrame,
    bounds: Mapping[str, float],
    metrics: Mapping[str, str],
    challenger_id: str,
    current_id: str,
) -> pl.DataFrame:
    """Measure how far benchmarks fall from the current policy to its challenger.

    Args:
        results: `benchmark_results`, those over all items of a benchmark.
        bounds: largest fall by benchmark, in the unit of its value.
        metrics: metric that is compared, by benchmark.
        challenger_id: policy_id.
        current_id: policy_id.

    Returns:
        A row per bound: benchmark, metric, value, current_value, fall (above zero where the
        challenger is worse), max_fall, missing (why there is no fall; null where there is one).
    """
    rows = []
    for benchmark, bound in bounds.items():
        found = results.filter(
            pl.col("benchmark") == benchmark,
            pl.col("metric") == metrics[benchmark],
            pl.col("value").is_not_null(),
        )
        ours, theirs = (found.filter(policy_id=one) for one in (challenger_id, current_id))
        # a policy may be measured more than once; two policies are compared by one measurement
        both = ours.join(theirs, on="benchmark_id", suffix="_current").head(1)
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
                "missing": None if both.height else _missing(ours, theirs),
            }
        )
    return pl.DataFrame(rows, schema=FALL)


def decide(metric: str, level: float, advantage: Estimate, fallen: pl.DataFrame) -> Decision:
    """Decide on a promotion: the interval above zero, and no benchmark below its bound.

    Args:
        metric: that was compared.
        level: of the interval.
        advantage: mean over prompts of `advantages`.
        fallen: from `falls`.
    """
    figures = _figures(metric, level, advantage)
    obstacles = []
    if advantage.low is None:
        obstacles.append(f"{figures}: one prompt has no interval")
    elif advantage.low <= 0:
        obstacles.append(f"{figures}: the interval is not above zero")
    for row in fallen.iter_rows(named=True):
        if row["missing"]:
            obstacles.append(f"{row['benchmark']} {row['missing']}")
        elif row["fall"] > row["max_fall"]:
            obstacles.append(f"{_described(row)}, more than {row['max_fall']:g}")
    if obstacles:
        return Decision(False, "; ".join(obstacles))
    kept = [
        f"{_described(row)}, {row['max_fall']:g} allowed" for row in fallen.iter_rows(named=True)
    ]
    return Decision(True, "; ".join([figures, *kept]))


def _figures(metric: str, level: float, advantage: Estimate) -> str:
    sign = "- 1/2 " if metric.startswith("win_rate") else ""
    text = f"{metric} {sign}{advantage.value:+.4g}"
    if advantage.low is not None:
        text += f" [{advantage.low:.4g}, {advantage.high:.4g}] at {level:.4g}"
    return f"{text} on {advantage.prompts} prompts"


def _described(row: Mapping[str, object]) -> str:
    verb = "falls" if row["fall"] > 0 else "rises"
    return f"{row['benchmark']} {verb} by {abs(row['fall']):.4g} to {row['value']:.4g}"


def _missing(ours: pl.DataFrame, theirs: pl.DataFrame) -> str:
    absent = [
        name
        for name, rows in (("the challenger", ours), ("the current policy", theirs))
        if rows.is_empty()
    ]
    if absent:
        return f"has no result of {' nor of '.join(absent)}"
    return "was measured otherwise for the two (benchmark_id)"
