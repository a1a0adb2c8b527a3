"""Win rates of one model's evaluation responses against another's, raw and at equal length.

The preferences are of the reward model, of the gold reward, and of each judge whose verdicts are in
the lake. Not here: the regression
(`transforms.measures.length_control`), requests to a judge.

A pair is one response of each model to the same prompt. All such pairs count, and the bootstrap
draws whole prompts. A judge has compared only some of the pairs: column `pairs` is their number.
"""

from typing import cast

import polars as pl

from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import LOOP_SLICE
from transforms.measures.clustered import higher
from transforms.measures.evaluation import GROUP
from transforms.measures.length_control import estimate_win_rates
from transforms.pairs.judgments import combine_verdicts, identify_comparison

TABLE = "length_controlled_win_rates"

COLUMNS = {name: dtype for name, dtype in schema_of(TABLE).items() if name not in LOOP_SLICE}

REWARDS = ("reward", "gold_reward")


def compute_length_controlled_win_rates(
    responses: pl.DataFrame, other: pl.DataFrame, judgments: pl.DataFrame
) -> pl.DataFrame:
    """Compare a model with another, once per reward and judge.

    Args:
        responses: `evaluation_responses` of the model.
        other: `evaluation_responses` of the baseline.
        judgments: rows of the table, of any judges; judgments of other pairs are ignored.

    Returns:
        `length_controlled_win_rates` without the columns of the slice: one row per split, decoding
        and judge. A judge without a judged pair has no row.
    """
    pairs = _cross(responses, other)
    judged = {name: higher(pl.col(name), pl.col(f"{name}_other")) for name in REWARDS}
    rows = []
    for (split, decoding), group in pairs.group_by(GROUP, maintain_order=True):
        found = {name: group.with_columns(preference=share) for name, share in judged.items()}
        for (judge_id,), own in judgments.group_by("judge_id", maintain_order=True):
            found[judge_id] = _add_preferences(group, own)
        for judged_by, sides in found.items():
            usable = sides.drop_nulls("preference")
            if usable.height:
                rows.append(
                    {
                        "model": responses["model"][0],
                        "policy_id": responses["policy_id"][0],
                        "versus": other["model"][0],
                        "versus_id": other["policy_id"][0],
                        "split": split,
                        "decoding": decoding,
                        "judged_by": judged_by,
                        **_estimate_rates(usable),
                    }
                )
    return pl.DataFrame(rows, schema=COLUMNS)


def _cross(responses: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Pair every response with every response of the other model to its prompt, sorted."""
    keys = [*GROUP, "prompt_id"]
    columns = [*keys, "response_index", "response", "response_chars", *REWARDS]
    return (
        responses.select(columns)
        .join(other.select(columns), on=keys, suffix="_other")
        .with_columns(baseline_chars="response_chars_other")
        .sort(*keys, "response_index", "response_index_other")
    )


def _add_preferences(pairs: pl.DataFrame, judgments: pl.DataFrame) -> pl.DataFrame:
    """Add each pair's judged preference; equal texts tie if the judge has judged any pair."""
    named = pairs.with_columns(comparison_id=identify_comparison("response", "response_other"))
    share = pl.col("first_share")
    joined = named.join(
        combine_verdicts(judgments), on="comparison_id", how="left", maintain_order="left"
    ).with_columns(
        preference=pl.when(pl.col("response") < pl.col("response_other"))
        .then(share)
        .otherwise(1 - share)
    )
    if not joined["preference"].count():
        return joined
    same = pl.col("response") == pl.col("response_other")
    return joined.with_columns(preference=pl.when(same).then(0.5).otherwise("preference"))


def _estimate_rates(pairs: pl.DataFrame) -> dict[str, float | int | str | None]:
    rates = estimate_win_rates(pairs)
    raw, controlled = rates.raw, rates.controlled
    return {
        "win_rate": raw.value,
        "standard_error": raw.standard_error,
        "low": raw.low,
        "high": raw.high,
        "length_controlled_win_rate": controlled and controlled.value,
        "length_controlled_standard_error": controlled and controlled.standard_error,
        "length_controlled_low": controlled and controlled.low,
        "length_controlled_high": controlled and controlled.high,
        "length_coefficient": None if rates.control is None else rates.control.length,
        "longer_share": rates.longer_share,
        "note": rates.note,
        "response_chars": cast(float, pairs["response_chars"].mean()),
        "baseline_chars": cast(float, pairs["baseline_chars"].mean()),
        "pairs": pairs.height,
        "prompts": raw.prompts,
    }
