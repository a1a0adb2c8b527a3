"""Schemas of what models are worth on held-out prompts, and which of them is taken."""

import polars as pl

from transforms.lake.schemas.columns import LOOP_SLICE, Schema

SCHEMAS: dict[str, Schema] = {
    # one row per evaluation response
    "evaluation_responses": {
        **LOOP_SLICE,
        "model": pl.String,  # asset of the policy
        "policy_id": pl.String,
        "evaluation_id": pl.String,  # hash of settings, prompts, reference and reward model
        "split": pl.String,  # validation | evaluation
        "decoding": pl.String,  # sampled | greedy
        "prompt_id": pl.String,
        "response_index": pl.Int32,
        "response": pl.String,
        "response_tokens": pl.Int32,
        "response_chars": pl.Int32,
        "finish_reason": pl.String,
        "reward": pl.Float64,
        "gold_reward": pl.Float64,
        "policy_logp": pl.Float64,  # nats, summed over the response and its end of turn
        "reference_logp": pl.Float64,  # the same under pi_0
    },
    # one row per model, split, decoding and metric; `versus` names the model of a difference
    "evaluation_results": {
        **LOOP_SLICE,
        "model": pl.String,
        "policy_id": pl.String,
        "split": pl.String,
        "decoding": pl.String,
        "metric": pl.String,
        "versus": pl.String,
        "value": pl.Float64,
        "standard_error": pl.Float64,  # clustered by prompt
        "prompts": pl.Int64,
        "low": pl.Float64,  # 95% interval by the bootstrap over prompts; null in older rows
        "high": pl.Float64,
    },
    # one row per policy, reward model of an experiment with feedback, and split
    "reward_accuracy": {
        **LOOP_SLICE,  # the iteration is the policy's, 0 for pi_0
        "policy": pl.String,  # asset whose sampled responses are ordered
        "policy_id": pl.String,
        "reward_model": pl.String,  # asset that orders them
        "reward_model_id": pl.String,
        "refreshes": pl.Int32,  # of the reward model; 0 for the one before the loop
        "split": pl.String,  # validation | evaluation
        "accuracy": pl.Float64,  # against the gold reward, a tie of the rewards one half
        "standard_error": pl.Float64,  # clustered by prompt
        "prompts": pl.Int64,
    },
    # one row per model, data mixture, bench set, weights, section or subset, and metric
    "reward_bench_results": {
        "bench": pl.String,  # name in transforms.benchmarks.reward_bench.sets
        "model": pl.String,  # asset
        "model_id": pl.String,  # checkpoint
        "kind": pl.String,  # reward_model | preference_model | judge
        "mixture": pl.String,  # that it was trained on
        "weights": pl.String,  # of the section's subsets, by name; null for a subset
        "level": pl.String,  # section | subset
        "name": pl.String,
        "metric": pl.String,  # pair_accuracy | longer_wins (length alone, on the same pairs)
        "value": pl.Float64,  # per cent; null where `missing` is not empty
        "standard_error": pl.Float64,  # percentage points, clustered by prompt; null: undefined
        "pairs": pl.Int64,
        "unscored_pairs": pl.Int64,  # longer than the model reads; in no value
        "missing": pl.String,  # subsets without a scored pair
    },
    # one row per model, baseline, split, decoding and judge
    "length_controlled_win_rates": {
        **LOOP_SLICE,
        "model": pl.String,
        "policy_id": pl.String,
        "versus": pl.String,
        "versus_id": pl.String,
        "split": pl.String,
        "decoding": pl.String,
        "judged_by": pl.String,  # reward | gold_reward | a judge_id
        "win_rate": pl.Float64,  # share; the interval beside it is of 95%, over prompts
        "standard_error": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "length_controlled_win_rate": pl.Float64,  # null where length cannot be told from quality
        "length_controlled_standard_error": pl.Float64,
        "length_controlled_low": pl.Float64,
        "length_controlled_high": pl.Float64,
        "length_coefficient": pl.Float64,  # log-odds; below 0 where the longer side is preferred
        "longer_share": pl.Float64,  # of pairs whose longer side is the model's
        "response_chars": pl.Float64,
        "baseline_chars": pl.Float64,
        "pairs": pl.Int64,
        "prompts": pl.Int64,
    },
    # one row per experiment: its best iterate on the validation prompts
    "selected_policies": {
        **LOOP_SLICE,
        "model": pl.String,
        "policy_id": pl.String,
        "metric": pl.String,
        "value": pl.Float64,
        "standard_error": pl.Float64,
    },
    # one row per decision on which policy is the current one; the first makes pi_0 it
    "promotions": {
        **LOOP_SLICE,
        "decision_id": pl.String,  # hash of both policies, the figures and the settings
        "model": pl.String,  # asset of the challenger
        "policy_id": pl.String,
        "current_id": pl.String,  # policy that it challenged; null in the first row
        "promoted": pl.Boolean,
        "reason": pl.String,
        "metric": pl.String,
        "decoding": pl.String,
        "advantage": pl.Float64,  # challenger less current, win rates less one half
        "standard_error": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "level": pl.Float64,  # of the interval
        "prompts": pl.Int64,
        "evaluation_id": pl.String,
        "judge_id": pl.String,  # null where no judge was asked
        "falls": pl.List(
            pl.Struct(
                {
                    "benchmark": pl.String,
                    "metric": pl.String,
                    "value": pl.Float64,
                    "current_value": pl.Float64,
                    "fall": pl.Float64,  # in the unit of the value
                    "max_fall": pl.Float64,
                    "missing": pl.String,  # why there is no fall
                }
            )
        ),
        "created_at": pl.Datetime("us", "UTC"),
    },
}

PARTITIONS: dict[str, list[str]] = {
    "evaluation_responses": ["experiment"],
    "evaluation_results": ["experiment"],
    "reward_accuracy": ["experiment"],
    "reward_bench_results": ["model"],
    "length_controlled_win_rates": ["experiment"],
}
