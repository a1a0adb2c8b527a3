"""Tables of preferences between responses: judges, verdicts, label queues, labels."""

import polars as pl

from transforms.lake.schemas.table import (
    CREATED_AT,
    LOOP_SLICE,
    MESSAGES,
    ORDER,
    PROMPT_ID,
    WRITTEN,
    Column,
    Table,
)

PAIR_ID = Column(pl.String, "comparison_id of judgments: hash of the prompt and both texts")
FINISH_REASON = Column(pl.String, "stop | length; null: no answer")

TABLES: dict[str, Table] = {
    "judges": Table(
        grain="One row per judge: a model, a rubric, and settings of the requests.",
        columns={
            "judge_id": Column(pl.String, "hash of the columns from model to settings"),
            "model": Column(pl.String, "checkpoint id, or the name of the model at address"),
            "address": Column(pl.String, "address of the server; null: the model runs here"),
            "rubric": Column(pl.String, "name of the rubric"),
            "rubric_text": Column(pl.String, "text of the rubric"),
            "settings": Column(pl.String, "settings of the requests, JSON"),
            "max_unparsed_share": Column(
                pl.Float64, "limit in the check judgments_are_usable", "share"
            ),
        },
    ),
    "judgments": Table(
        grain="One row per request to a judge; none is removed. View `verdicts`: those in use.",
        columns={
            "judge_id": Column(pl.String, "the judge, in judges"),
            "comparison_id": Column(pl.String, "hash of the prompt and both texts"),
            "a_is": Column(pl.String, "first | second: the response that was shown as A"),
            "rubric": Column(pl.String, "name of the rubric"),
            "verdict": Column(pl.String, "A | B | tie | unparseable; null: no answer"),
            "raw_text": Column(pl.String, "the judge's answer"),
            "finish_reason": FINISH_REASON,
            "error": Column(pl.String, "why there is no answer"),
            "elapsed_s": Column(
                pl.Float64, "time of the request with retries; null: answered in a batch", "seconds"
            ),
            ORDER: WRITTEN[ORDER],
        },
        partitions=["judge_id"],
    ),
    "label_queue": Table(
        grain="One row per pair of an iteration's responses that the preference oracle labels.",
        columns={
            **LOOP_SLICE,
            "pair_id": PAIR_ID,
            "prompt_id": PROMPT_ID,
            "prompt": Column(MESSAGES, "the conversation; it ends with a user's turn"),
            "first": Column(pl.String, "the response that is first in alphabetical order"),
            "second": Column(pl.String, "the other response"),
            "first_response_index": Column(pl.Int32, "response_index of first"),
            "second_response_index": Column(pl.Int32, "response_index of second"),
            "preference_probability": Column(
                pl.Float64, "of first over second, under the reward model", "share"
            ),
            "reward_model": Column(pl.String, "asset of the reward model before the refresh"),
            "reward_model_id": Column(pl.String, "checkpoint of the reward model"),
            "choice": Column(pl.String, "uncertainty | random: choice of the pairs"),
            "place": Column(pl.Int32, "position in the queue, from 0"),
        },
        partitions=["experiment", "iteration"],
    ),
    "preference_labels": Table(
        grain="One row per label: the response of a pair that one oracle prefers.",
        columns={
            **LOOP_SLICE,
            "pair_id": PAIR_ID,
            "prompt_id": PROMPT_ID,
            "oracle": Column(pl.String, "gold | judge | people"),
            "oracle_id": Column(pl.String, "version of the gold program, judge_id, or a person"),
            "preferred": Column(pl.String, "first | second | tie | undecided"),
            "answer": Column(pl.String, "the original answer of the oracle"),
            "created_at": CREATED_AT,
        },
        partitions=["experiment", "iteration"],
    ),
}
