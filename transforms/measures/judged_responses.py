"""Win rates of one model's evaluation responses against another's, raw and at equal length.

Lives here: the judged pairs of two models, by whatever judged them: the reward model, the gold
reward, a judge whose verdicts the lake holds. Not here: the regression
(`transforms.measures.length_control`), asking a judge.

A pair is a response of each model to one prompt; all cross pairs count, and prompts are drawn
whole. A judge has seen only the pairs that somebody asked it for: `pairs` says how many.
"""

import polars as pl

from transforms.identity import FIELD, hash_text
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.columns import LOOP_SLICE
from transforms.measures.clustered import higher
from transforms.measures.evaluation import GROUP
from transforms.measures.length_control import win_rates
from transforms.pairs.judgments import outcomes

TABLE = "length_controlled_win_rates"

COLUMNS = {name: dtype for name, dtype in schema_of(TABLE).items() if name not in LOOP_SLICE}

REWARDS = ("reward", "gold_reward")


def length_controlled_win_rates(
    responses: pl.DataFrame, other: pl.DataFrame, judgments: pl.DataFrame
) -> pl.DataFrame:
    """Compare a model with another by everything that has judged their responses.

    Args:
        responses: `evaluation_responses` of the model.
        other: of the baseline.
        judgments: of any judges; those of other pairs are left out.

    Returns:
        The table's columns but the slice: one row per split, decoding and judge; without a row
        where a judge has no pair.
    """
    pairs = _cross_pairs(responses, other)
    judged = {name: higher(pl.col(name), pl.col(f"{name}_other")) for name in REWARDS}
    rows = []
    for (split, decoding), group in pairs.group_by(GROUP, maintain_order=True):
        found = {name: group.with_columns(preference=share) for name, share in judged.items()}
        for (judge_id,), own in judgments.group_by("judge_id", maintain_order=True):
            found[judge_id] = _by_verdicts(group, own)
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
                        **_rates(usable),
                    }
                )
    return pl.DataFrame(rows, schema=COLUMNS)


def _cross_pairs(responses: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Pair every response with every one of the other model's to its prompt, in a fixed order."""
    keys = [*GROUP, "prompt_id"]
    columns = [*keys, "response_index", "response", "response_chars", *REWARDS]
    return (
        responses.select(columns)
        .join(other.select(columns), on=keys, suffix="_other")
        .with_columns(baseline_chars="response_chars_other")
        .sort(*keys, "response_index", "response_index_other")
    )


def _by_verdicts(pairs: pl.DataFrame, judgments: pl.DataFrame) -> pl.DataFrame:
    """Give each pair its outcome; equal texts tie where the judge has decided any pair."""
    texts = [pl.min_horizontal("response", "response_other"),
             pl.max_horizontal("response", "response_other")]  # fmt: skip
    named = pairs.with_columns(
        comparison_id=hash_text(pl.concat_str("prompt_id", *texts, separator=FIELD))
    )
    share = pl.col("first_share")
    joined = named.join(
        outcomes(judgments), on="comparison_id", how="left", maintain_order="left"
    ).with_columns(
        preference=pl.when(pl.col("response") < pl.col("response_other"))
        .then(share)
        .otherwise(1 - share)
    )
    if not joined["preference"].count():
        return joined
    same = pl.col("response") == pl.col("response_other")
    return joined.with_columns(preference=pl.when(same).then(0.5).otherwise("preference"))


def _rates(pairs: pl.DataFrame) -> dict[str, float | int | None]:
    rates = win_rates(pairs)
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
        "length_coefficient": rates.control and rates.control.length,
        "longer_share": rates.longer_share,
        "response_chars": pairs["response_chars"].mean(),
        "baseline_chars": pairs["baseline_chars"].mean(),
        "pairs": pairs.height,
        "prompts": raw.prompts,
    }
