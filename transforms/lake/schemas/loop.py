"""Tables of an iteration: responses, rewards, pairs, and statistics of them before training."""

import polars as pl

from transforms.lake.schemas.table import (
    LOOP_SLICE,
    MESSAGES,
    POLICY_ID,
    PROMPT_ID,
    RESPONSE_INDEX,
    Column,
    Table,
)

RANKER = Column(pl.String, "asset of a model, `judge`, or one of the recipe's `rewards`")
RANKER_ID = Column(pl.String, "checkpoint of the ranker; else hash of the judge or the reward")
RANKING_ID = Column(pl.String, "hash of the ranker's settings, and of the references that it reads")


def _standard_error(unit: str) -> Column:
    return Column(pl.Float64, "standard error, clustered by prompt", unit)


TABLES: dict[str, Table] = {
    "generations": Table(
        grain="One row per sampled response.",
        columns={
            **LOOP_SLICE,
            "prompt_id": PROMPT_ID,
            "response_index": RESPONSE_INDEX,
            "response": Column(pl.String, "text of the response"),
            "response_tokens": Column(pl.Int32, "length of the response", "tokens"),
            "response_chars": Column(pl.Int32, "length of the response", "chars"),
            "finish_reason": Column(pl.String, "stop | length: the response ends at max_tokens"),
            "policy_id": POLICY_ID,
            "sampling_id": Column(pl.String, "hash of the sampling settings and the seed"),
            "sampler": Column(pl.Int32, "position in the recipe's list of samplers, from 0"),
            "sampler_policy": Column(pl.String, "current | previous | initial | step@share"),
            "n": Column(pl.Int32, "responses per prompt, over all samplers"),
            "temperature": Column(pl.Float64, "sampling temperature; has no unit"),
            "top_p": Column(pl.Float64, "probability mass that is sampled from", "share"),
            "max_tokens": Column(pl.Int32, "longest response allowed", "tokens"),
            "seed": Column(pl.Int64, "seed of the engine"),
        },
        partitions=["experiment", "iteration"],
    ),
    "sampling_stops": Table(
        grain="One row per prompt of a slice with adaptive n: when its sampling stopped.",
        columns={
            **LOOP_SLICE,
            "prompt_id": PROMPT_ID,
            "sampling_id": Column(pl.String, "hash of the settings of the responses"),
            "responses": Column(pl.Int32, "number of responses that the rule requires"),
            "margin": Column(
                pl.Float64, "best minus worst penalised reward; null: below 2", "reward units"
            ),
            "reason": Column(pl.String, "enough_margin | no_growth | n_reached"),
        },
        partitions=["experiment", "iteration"],
    ),
    "scores": Table(
        grain="One row per response and ranker.",
        columns={
            **LOOP_SLICE,
            "prompt_id": PROMPT_ID,
            "response_index": RESPONSE_INDEX,
            "ranker": RANKER,
            "ranker_id": RANKER_ID,
            "ranking_id": RANKING_ID,
            "policy_id": Column(pl.String, "checkpoint that the response is sampled from"),
            "sampling_id": Column(pl.String, "hash of the settings of the response"),
            "reward": Column(
                pl.Float64,
                "reward, or share of comparisons won; null: no verdict",
                "reward units",
            ),
        },
        partitions=["experiment", "iteration"],
    ),
    "score_components": Table(
        grain="One row per response and part of its reward: of a weighted sum or an ensemble.",
        columns={
            **LOOP_SLICE,
            "prompt_id": PROMPT_ID,
            "response_index": RESPONSE_INDEX,
            "ranker": Column(pl.String, "the sum or the ensemble"),
            "policy_id": Column(pl.String, "checkpoint that the response is sampled from"),
            "sampling_id": Column(pl.String, "hash of the settings of the response"),
            "component": Column(
                pl.String, "the part: a reward, a member of the ensemble, or `spread`"
            ),
            "component_id": Column(pl.String, "ranker_id of the part"),
            "component_ranking_id": Column(pl.String, "ranking_id of the part"),
            "weight": Column(pl.Float64, "weight of the part in the reward; has no unit"),
            "reward": Column(
                pl.Float64,
                "reward of the part, without its weight; of `spread`: std of the members",
                "reward units",
            ),
        },
        partitions=["experiment", "iteration"],
    ),
    "dpo_pairs": Table(
        grain="One row per pair: one per prompt, or several by the rule all_above_margin.",
        columns={
            **LOOP_SLICE,
            "prompt_id": PROMPT_ID,
            "prompt": Column(MESSAGES, "the conversation; it ends with a user's turn"),
            "chosen": Column(MESSAGES, "the response of higher penalised reward"),
            "rejected": Column(MESSAGES, "the response of lower penalised reward"),
            "chosen_response_index": Column(pl.Int32, "response_index of chosen"),
            "rejected_response_index": Column(pl.Int32, "response_index of rejected"),
            "chosen_reward": Column(pl.Float64, "reward of chosen", "reward units"),
            "rejected_reward": Column(pl.Float64, "reward of rejected", "reward units"),
            "chosen_penalised_reward": Column(
                pl.Float64, "reward minus length penalty times length", "reward units"
            ),
            "rejected_penalised_reward": Column(
                pl.Float64, "reward minus length penalty times length", "reward units"
            ),
            "margin": Column(pl.Float64, "difference of the penalised rewards", "reward units"),
            "rule": Column(pl.String, "pair rule"),
        },
        partitions=["experiment", "iteration"],
    ),
    "dropped_pairs": Table(
        grain="One row per prompt of an iteration without a pair.",
        columns={
            **LOOP_SLICE,
            "prompt_id": PROMPT_ID,
            "reason": Column(
                pl.String, "too_few_responses | equal_text | equal_reward | small_margin"
            ),
        },
        partitions=["experiment", "iteration"],
    ),
    "reward_length_correlation": Table(
        grain="One row per prompt of a slice, ranker and unit of length.",
        columns={
            **LOOP_SLICE,
            "ranker": RANKER,
            "ranker_id": RANKER_ID,
            "split": Column(pl.String, "split of the prompt; null: in none"),
            "prompt_id": PROMPT_ID,
            "unit": Column(pl.String, "chars | tokens"),
            "pearson": Column(
                pl.Float64, "r of reward and length over the responses; null: undefined", "−1 to 1"
            ),
            "status": Column(
                pl.String, "defined | one_response | constant_reward | constant_length"
            ),
            "responses": Column(pl.Int32, "responses with a reward"),
            "mean_length": Column(pl.Float64, "mean over the responses", "chars or tokens: unit"),
        },
    ),
    "iteration_health": Table(
        grain="One row per slice: statistics of its responses and pairs before training.",
        columns={
            **LOOP_SLICE,
            "ranker": RANKER,
            "prompts": Column(pl.Int64, "prompts with responses"),
            "responses": Column(pl.Int64, "responses of the slice"),
            "pairs": Column(pl.Int64, "pairs of the slice"),
            "reward_length_slope": Column(
                pl.Float64, "slope of reward on length within prompts", "reward units per char"
            ),
            "reward_length_slope_se": _standard_error("reward units per char"),
            "reward_length_correlation": Column(
                pl.Float64, "mean of Pearson's r of reward and chars within prompts", "−1 to 1"
            ),
            "reward_length_correlation_se": _standard_error("−1 to 1"),
            "response_chars": Column(pl.Float64, "mean length of the responses", "chars"),
            "response_chars_se": _standard_error("chars"),
            "length_growth": Column(
                pl.Float64,
                "mean length over that of iteration 1, by π₀; null in iteration 1",
                "ratio",
            ),
            "length_growth_se": _standard_error("ratio"),
            "chosen_minus_rejected_chars": Column(pl.Float64, "mean over pairs", "chars"),
            "chosen_minus_rejected_chars_se": _standard_error("chars"),
            "chosen_to_rejected_chars": Column(pl.Float64, "mean length over mean length", "ratio"),
            "chosen_to_rejected_chars_se": _standard_error("ratio"),
            "longer_chosen_share": Column(
                pl.Float64, "pairs whose longer side is chosen; equal lengths 1/2", "share"
            ),
            "longer_chosen_share_se": _standard_error("share"),
            "repeated_4gram_share": Column(pl.Float64, "repeated 4-grams in a response", "share"),
            "repeated_4gram_share_se": _standard_error("share"),
            "duplicate_share": Column(
                pl.Float64, "responses whose text another prompt also has", "share"
            ),
            "duplicate_share_se": _standard_error("share"),
            "truncated_share": Column(pl.Float64, "responses that end at max_tokens", "share"),
            "truncated_share_se": _standard_error("share"),
            "refusal_share": Column(
                pl.Float64, "responses that decline and do not answer", "share"
            ),
            "refusal_share_se": _standard_error("share"),
            "other_ranker": Column(
                pl.String, "ranker of the same responses that agrees least; null: none"
            ),
            "ranker_agreement": Column(
                pl.Float64, "pairs of responses that both rankers order equally", "share"
            ),
            "ranker_agreement_se": _standard_error("share"),
            "member_agreement": Column(
                pl.Float64,
                "pairs of responses that two members order equally; null: no ensemble",
                "share",
            ),
            "member_agreement_se": _standard_error("share"),
            "reward_accuracy_drop": Column(
                pl.Float64,
                "accuracy on held-out pairs that a refresh has lost; null: no refresh",
                "share",
            ),
            "reward_accuracy_drop_se": _standard_error("share"),
        },
        partitions=["experiment", "iteration"],
    ),
}
