"""Tables of evaluation: responses and results on held-out prompts, selected policies."""

import polars as pl

from transforms.lake.schemas.loop import RANKER, RANKER_ID, RANKING_ID
from transforms.lake.schemas.table import (
    HIGH,
    LOOP_SLICE,
    LOW,
    POLICY_ID,
    PROMPT_ID,
    PROMPTS,
    RESPONSE_INDEX,
    STANDARD_ERROR,
    WRITTEN,
    Column,
    Table,
)

MODEL = {"model": Column(pl.String, "asset of the policy"), "policy_id": POLICY_ID}
SPLIT = Column(pl.String, "validation | evaluation | promotion")
DECODINGS = ("sampled", "greedy")
"""Values of the column decoding, in the order in which they are sampled and shown."""
DECODING = Column(pl.String, " | ".join(DECODINGS))

TABLES: dict[str, Table] = {
    "evaluation_responses": Table(
        grain="One row per evaluation response.",
        columns={
            **LOOP_SLICE,
            **MODEL,
            "evaluation_id": Column(pl.String, "hash of settings, prompts, reference, rewards"),
            "split": SPLIT,
            "decoding": DECODING,
            "prompt_id": PROMPT_ID,
            "response_index": RESPONSE_INDEX,
            "response": Column(pl.String, "text of the response"),
            "response_tokens": Column(pl.Int32, "length of the response", "tokens"),
            "response_chars": Column(pl.Int32, "length of the response", "chars"),
            "finish_reason": Column(pl.String, "stop | length: the response ends at max_tokens"),
            "reward": Column(pl.Float64, "of the ranker of the evaluation", "reward units"),
            "gold_reward": Column(pl.Float64, "of the gold program; null: none", "reward units"),
            "policy_logp": Column(
                pl.Float64, "sum over the response and its end of turn, policy", "nats"
            ),
            "reference_logp": Column(
                pl.Float64, "sum over the response and its end of turn, π₀", "nats"
            ),
            "kl_to_initial": Column(
                pl.Float64, "sum over the same tokens of KL(π ‖ π₀) of the next token; ≥ 0", "nats"
            ),
        },
        partitions=["experiment"],
    ),
    "evaluation_scores": Table(
        grain="One row per evaluation response and further reward (`evaluation.rewards`).",
        columns={
            **LOOP_SLICE,
            **MODEL,
            "evaluation_id": Column(pl.String, "of the response"),
            "split": SPLIT,
            "decoding": DECODING,
            "prompt_id": PROMPT_ID,
            "response_index": RESPONSE_INDEX,
            "ranker": RANKER,
            "ranker_id": RANKER_ID,
            "ranking_id": RANKING_ID,
            "reward": Column(pl.Float64, "of the ranker", "reward units"),
        },
        partitions=["experiment"],
    ),
    "evaluation_results": Table(
        grain="One row per model, split, decoding and metric; with `versus`, of a comparison.",
        columns={
            **LOOP_SLICE,
            **MODEL,
            "split": SPLIT,
            "decoding": DECODING,
            "metric": Column(pl.String, "reward, gold_reward, response_chars, kl_to_initial, …"),
            "versus": Column(pl.String, "model that is subtracted or compared with; null: none"),
            "value": Column(pl.Float64, "mean over prompts", "as metric"),
            "standard_error": STANDARD_ERROR,
            "prompts": PROMPTS,
            "low": LOW,
            "high": HIGH,
        },
        partitions=["experiment"],
    ),
    "reward_accuracy": Table(
        grain="One row per policy, reward model of an experiment with feedback, and split.",
        columns={
            "experiment": LOOP_SLICE["experiment"],
            "iteration": Column(pl.Int32, "iteration of the policy; 0: π₀"),
            "policy": Column(pl.String, "asset of the policy that gives the responses"),
            "policy_id": POLICY_ID,
            "reward_model": Column(pl.String, "asset of the reward model that orders them"),
            "reward_model_id": Column(pl.String, "checkpoint of the reward model"),
            "refreshes": Column(pl.Int32, "refreshes of the reward model; 0: before the loop"),
            "split": SPLIT,
            "accuracy": Column(
                pl.Float64, "pairs in the order of the gold reward; ties 1/2", "share"
            ),
            "standard_error": Column(pl.Float64, "clustered by prompt", "share"),
            "prompts": PROMPTS,
        },
        partitions=["experiment"],
    ),
    "length_controlled_win_rates": Table(
        grain="One row per model, baseline, split, decoding and judge.",
        columns={
            **LOOP_SLICE,
            **MODEL,
            "versus": Column(pl.String, "asset of the baseline"),
            "versus_id": Column(pl.String, "checkpoint of the baseline"),
            "split": SPLIT,
            "decoding": DECODING,
            "judged_by": Column(pl.String, "reward | gold_reward | a judge_id"),
            "win_rate": Column(pl.Float64, "pairs that the model wins; ties 1/2", "share"),
            "standard_error": Column(pl.Float64, "of win_rate, clustered by prompt", "share"),
            "low": Column(pl.Float64, "lower end of its 95% interval", "share"),
            "high": Column(pl.Float64, "upper end of its 95% interval", "share"),
            "length_controlled_win_rate": Column(
                pl.Float64, "at equal length; null: length and quality are inseparable", "share"
            ),
            "length_controlled_standard_error": Column(pl.Float64, "clustered by prompt", "share"),
            "length_controlled_low": Column(pl.Float64, "lower end of its 95% interval", "share"),
            "length_controlled_high": Column(pl.Float64, "upper end of its 95% interval", "share"),
            "length_coefficient": Column(
                pl.Float64, "of the regression; below 0: the longer side is preferred", "log-odds"
            ),
            "longer_share": Column(pl.Float64, "pairs whose longer side is the model's", "share"),
            "note": Column(pl.String, "why the rate at equal length is an extrapolation; or null"),
            "response_chars": Column(pl.Float64, "mean length of the model's side", "chars"),
            "baseline_chars": Column(pl.Float64, "mean length of the baseline's side", "chars"),
            "pairs": Column(pl.Int64, "judged pairs of responses"),
            "prompts": PROMPTS,
        },
        partitions=["experiment"],
    ),
    "selected_policies": Table(
        grain="One row per experiment: its best iteration on the validation prompts.",
        columns={
            **LOOP_SLICE,
            **MODEL,
            "metric": Column(pl.String, "metric of evaluation_results that selects"),
            "value": Column(pl.Float64, "of the selected policy", "as metric"),
            "standard_error": STANDARD_ERROR,
        },
    ),
    "promotions": Table(
        grain="One row per decision on which policy is the current one; the first promotes π₀.",
        columns={
            **LOOP_SLICE,
            "decision_id": Column(pl.String, "hash of both policies, the figures and the settings"),
            "model": Column(pl.String, "asset of the challenger"),
            "policy_id": Column(pl.String, "checkpoint of the challenger"),
            "current_id": Column(
                pl.String, "current policy before the decision; null: the first row"
            ),
            "promoted": Column(pl.Boolean, "whether the challenger is the current policy now"),
            "reason": Column(pl.String, "reason of the decision, in words"),
            "metric": Column(pl.String, "metric that decides"),
            "decoding": DECODING,
            "advantage": Column(
                pl.Float64, "challenger minus current; a win rate minus 1/2", "as metric"
            ),
            "standard_error": Column(pl.Float64, "clustered by prompt", "as metric"),
            "low": Column(pl.Float64, "lower end of the interval", "as metric"),
            "high": Column(pl.Float64, "upper end of the interval", "as metric"),
            "level": Column(pl.Float64, "confidence level of the interval", "share"),
            "number": Column(pl.Int64, "number of the decision in the lake, from 1"),
            "split": Column(pl.String, "promotion | validation: prompts of the comparison"),
            "prompts": PROMPTS,
            "evaluation_id": Column(pl.String, "evaluation in which both are compared"),
            "judge_id": Column(pl.String, "the judge, in judges; null: none"),
            "falls": Column(
                pl.List(
                    pl.Struct(
                        {
                            "benchmark": pl.String,
                            "metric": pl.String,
                            "value": pl.Float64,
                            "current_value": pl.Float64,
                            "fall": pl.Float64,
                            "max_fall": pl.Float64,
                            "missing": pl.String,
                        }
                    )
                ),
                "fall: current_value minus value; missing: reason if there is no value",
                "as value",
            ),
            **WRITTEN,
        },
    ),
    "reward_bench_results": Table(
        grain="One row per model, data mixture, bench set, weights, section or subset, and metric.",
        columns={
            "bench": Column(pl.String, "bench set, such as reward_bench"),
            "model": Column(pl.String, "asset of the model"),
            "model_id": Column(pl.String, "checkpoint of the model"),
            "kind": Column(
                pl.String, "kind of the ranker, such as reward_model, ensemble, judge, function"
            ),
            "mixture": Column(pl.String, "mixture that the model was trained on"),
            "weights": Column(pl.String, "name of the section's weights; null: of a subset"),
            "level": Column(pl.String, "section | subset"),
            "name": Column(pl.String, "section or subset"),
            "metric": Column(pl.String, "pair_accuracy | longer_wins: length alone, same pairs"),
            "value": Column(pl.Float64, "null: a subset is missing", "per cent"),
            "standard_error": Column(pl.Float64, "clustered by prompt", "percentage points"),
            "pairs": Column(pl.Int64, "scored pairs"),
            "unscored_pairs": Column(
                pl.Int64, "pairs without a reward: too long, or without a judge's verdict"
            ),
            "missing": Column(pl.String, "subsets without a scored pair"),
        },
        partitions=["model"],
    ),
}
