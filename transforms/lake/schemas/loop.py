"""Schemas of an iteration: responses, rewards, pairs, and the health of these before training."""

import polars as pl

from transforms.lake.schemas.columns import LOOP_SLICE, MESSAGES, Schema

SCHEMAS: dict[str, Schema] = {
    # one row per sampled response
    "generations": {
        **LOOP_SLICE,
        "prompt_id": pl.String,
        "response_index": pl.Int32,
        "response": pl.String,
        "response_tokens": pl.Int32,
        "response_chars": pl.Int32,
        "finish_reason": pl.String,  # stop | length
        "policy_id": pl.String,
        "sampling_id": pl.String,  # hash of the sampling settings and seed
        "sampler": pl.Int32,  # its place in the recipe's list, from 0; null in old rows: 0
        "sampler_policy": pl.String,  # current | previous | initial | step@<share>; null: current
        "n": pl.Int32,  # responses a prompt, over all samplers; null in old rows
        "temperature": pl.Float64,
        "top_p": pl.Float64,
        "max_tokens": pl.Int32,
        "seed": pl.Int64,
    },
    # one row per prompt of a slice with adaptive n: where sampling stopped
    "sampling_stops": {
        **LOOP_SLICE,
        "prompt_id": pl.String,
        "sampling_id": pl.String,  # of the responses
        "responses": pl.Int32,  # that the rule asks for
        "margin": pl.Float64,  # best-worst, penalised reward, after these; null: fewer than two
        "reason": pl.String,  # enough_margin | no_growth | n_reached
    },
    # one row per response and ranker
    "scores": {
        **LOOP_SLICE,
        "prompt_id": pl.String,
        "response_index": pl.Int32,
        "ranker": pl.String,  # asset: reward_model..., preference_model, or judge
        "ranker_id": pl.String,  # its checkpoint id; a judge's judge_id
        "ranking_id": pl.String,  # hash of the settings with which it ranks
        "policy_id": pl.String,  # of the response, as in `generations`
        "sampling_id": pl.String,  # of the response
        "reward": pl.Float64,  # a reward model's scalar, or a mean share of comparisons won
    },
    # one row per prompt of a slice, ranker and unit of length
    "reward_length_correlation": {
        **LOOP_SLICE,
        "ranker": pl.String,
        "ranker_id": pl.String,
        "split": pl.String,
        "prompt_id": pl.String,
        "unit": pl.String,  # chars | tokens
        "pearson": pl.Float64,  # of reward and length over the responses; null where undefined
        "status": pl.String,  # defined | one_response | constant_reward | constant_length
        "responses": pl.Int32,
        "mean_length": pl.Float64,  # in the unit
    },
    # one row per prompt that produced a pair; by the rule all_above_margin, per prompt and pair
    "dpo_pairs": {
        **LOOP_SLICE,
        "prompt_id": pl.String,
        "prompt": MESSAGES,
        "chosen": MESSAGES,
        "rejected": MESSAGES,
        "chosen_response_index": pl.Int32,
        "rejected_response_index": pl.Int32,
        "chosen_reward": pl.Float64,
        "rejected_reward": pl.Float64,
        "chosen_penalised_reward": pl.Float64,
        "rejected_penalised_reward": pl.Float64,
        "margin": pl.Float64,  # of the penalised rewards
        "rule": pl.String,
    },
    # one row per prompt of an iteration that produced no pair
    "dropped_pairs": {
        **LOOP_SLICE,
        "prompt_id": pl.String,
        "reason": pl.String,
    },
    # one row per slice: its responses and pairs before they are trained on; `_se`: by prompt
    "iteration_health": {
        **LOOP_SLICE,
        "ranker": pl.String,
        "prompts": pl.Int64,
        "responses": pl.Int64,
        "pairs": pl.Int64,
        "reward_length_slope": pl.Float64,  # reward units a character, within prompts
        "reward_length_slope_se": pl.Float64,
        "reward_length_correlation": pl.Float64,  # mean of Pearson's r within prompts, characters
        "reward_length_correlation_se": pl.Float64,
        "response_chars": pl.Float64,
        "response_chars_se": pl.Float64,
        "chosen_minus_rejected_chars": pl.Float64,
        "chosen_minus_rejected_chars_se": pl.Float64,
        "chosen_to_rejected_chars": pl.Float64,  # ratio of the mean lengths
        "chosen_to_rejected_chars_se": pl.Float64,
        "longer_chosen_share": pl.Float64,  # of pairs, equal lengths one half
        "longer_chosen_share_se": pl.Float64,
        "repeated_4gram_share": pl.Float64,  # within a response
        "repeated_4gram_share_se": pl.Float64,
        "duplicate_share": pl.Float64,  # responses that another prompt has, too
        "duplicate_share_se": pl.Float64,
        "truncated_share": pl.Float64,
        "truncated_share_se": pl.Float64,
        "refusal_share": pl.Float64,
        "refusal_share_se": pl.Float64,
        "other_ranker": pl.String,  # that scored the same responses; null where none has
        "ranker_agreement": pl.Float64,  # of the two, over pairs of a prompt's responses
        "ranker_agreement_se": pl.Float64,
    },
}

PARTITIONS: dict[str, list[str]] = {
    "generations": ["experiment", "iteration"],
    "sampling_stops": ["experiment", "iteration"],
    "scores": ["experiment", "iteration"],
    "dpo_pairs": ["experiment", "iteration"],
    "dropped_pairs": ["experiment", "iteration"],
    "iteration_health": ["experiment", "iteration"],
}
