"""Schemas of who prefers which response: judges and their answers, label queues and labels."""

import polars as pl

from transforms.lake.schemas.columns import LOOP_SLICE, MESSAGES, Schema

SCHEMAS: dict[str, Schema] = {
    # one row per judge: a model, a rubric and how it is asked
    "judges": {
        "judge_id": pl.String,  # hash of the columns up to `settings`
        "model": pl.String,  # checkpoint id, or the name at `address`
        "address": pl.String,  # null for a model that runs here
        "rubric": pl.String,
        "rubric_text": pl.String,
        "settings": pl.String,  # JSON
        "max_unparsed_share": pl.Float64,  # bound of the check judgments_are_usable
    },
    # one row per judge, comparison and order in which its responses were shown
    "judgments": {
        "judge_id": pl.String,
        "comparison_id": pl.String,
        "a_is": pl.String,  # first | second: the response that was shown as A
        "rubric": pl.String,
        "verdict": pl.String,  # A | B | tie | unparseable; null without an answer
        "raw_text": pl.String,
        "finish_reason": pl.String,  # stop | length; null without an answer
        "error": pl.String,  # why there is no answer
        "elapsed_s": pl.Float64,  # retries included; null where many are answered at once
    },
    # one row per pair of an iteration's responses that is sent to the preference oracle
    "label_queue": {
        **LOOP_SLICE,
        "pair_id": pl.String,  # the comparison_id of `judgments`: hash of prompt and texts
        "prompt_id": pl.String,
        "prompt": MESSAGES,
        "first": pl.String,  # the two responses, in alphabetical order
        "second": pl.String,
        "first_response_index": pl.Int32,
        "second_response_index": pl.Int32,
        "preference_probability": pl.Float64,  # of first over second, under the reward model below
        "reward_model": pl.String,  # asset of the last reward model, before the refresh
        "reward_model_id": pl.String,
        "choice": pl.String,  # uncertainty | random
        "place": pl.Int32,  # in the queue, from 0
    },
    # one row per label: pair, and who says which response is better
    "preference_labels": {
        **LOOP_SLICE,
        "pair_id": pl.String,
        "prompt_id": pl.String,
        "oracle": pl.String,  # gold | judge | people
        "oracle_id": pl.String,  # version of the gold program, judge_id, or a person's name
        "preferred": pl.String,  # first | second | tie | undecided
        "answer": pl.String,  # what the oracle said
        "created_at": pl.Datetime("us", "UTC"),
    },
}

PARTITIONS: dict[str, list[str]] = {
    "judgments": ["judge_id"],
    "label_queue": ["experiment", "iteration"],
    "preference_labels": ["experiment", "iteration"],
}
