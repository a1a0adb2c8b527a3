"""Schemas of answers, verdicts and figures of benchmarks."""

import polars as pl

from transforms.lake.schemas.columns import LOOP_SLICE, Schema

SCHEMAS: dict[str, Schema] = {
    # one row per model, benchmark, item, and repeat of it
    "benchmark_answers": {
        **LOOP_SLICE,
        "model": pl.String,  # asset of the policy
        "policy_id": pl.String,
        "benchmark": pl.String,  # name in the recipe
        "subset": pl.String,  # subject or category; the benchmark's name where it has none
        "item": pl.String,  # key in the benchmark's data
        "repeat": pl.Int32,  # 0, 1, ...
        "request_id": pl.String,  # hash of all that was asked, and of how
        "answer": pl.String,  # text as generated; JSON log-likelihoods of the choices, nats
        "extracted": pl.String,  # what the answer was taken to be; null where nothing was found
        "score": pl.Float64,  # by the benchmark's own metric; null where it is judged, or not run
        "scores": pl.List(pl.Struct({"metric": pl.String, "value": pl.Float64})),  # by all metrics
        "finish_reason": pl.String,  # stop | length; null where nothing was generated
    },
    # one row per model, benchmark, subset and metric
    "benchmark_results": {
        **LOOP_SLICE,
        "model": pl.String,  # asset of the policy
        "policy_id": pl.String,
        "benchmark": pl.String,  # name in the recipe
        "subset": pl.String,  # all | subject or category
        "metric": pl.String,
        "value": pl.Float64,  # per cent; MT-Bench's score 1 to 10; null where nothing was scored
        "standard_error": pl.Float64,  # in the unit of the value; null with one item
        "low": pl.Float64,  # interval around the value
        "high": pl.Float64,
        "interval": pl.String,  # its kind, and what was drawn
        "items": pl.Int64,  # that have the metric
        "unscored_items": pl.Int64,  # that were answered and have not
        "judge_id": pl.String,  # null where no judge was asked
        "benchmark_id": pl.String,  # hash of data, settings, shots, versions and judge
        "source": pl.String,  # what measured, with its version
    },
    # one row per request to the judge of a benchmark
    "benchmark_verdicts": {
        **LOOP_SLICE,
        "model": pl.String,  # asset of the policy
        "policy_id": pl.String,
        "benchmark": pl.String,  # name in the recipe
        "subset": pl.String,
        "item": pl.String,  # as in `benchmark_answers`
        "turn": pl.Int32,  # 1; MT-Bench 1 and 2
        "shown_first": pl.String,  # model | baseline; null where one answer is rated
        "repeat": pl.Int32,  # 0 is the verdict that counts; others show the judge's own noise
        "request_id": pl.String,  # hash of all that was sent, of the judge and the repeat
        "judge_id": pl.String,  # its row in `judges` holds the prompts
        "prompt": pl.String,  # name of the template
        "prompt_version": pl.String,  # hash of the template
        "verdict": pl.String,  # as marked: 7, A>B, m ...; null where there is none of the form
        "rating": pl.Float64,  # 1 to 10
        "share": pl.Float64,  # of a win of the model
        "is_weighted": pl.Boolean,  # whether the share is of token probabilities, or discrete
        "raw_text": pl.String,
        "finish_reason": pl.String,  # stop | length; null without an answer
        "error": pl.String,  # why there is no answer
        "elapsed_s": pl.Float64,  # retries included; null where many are answered at once
    },
}

PARTITIONS: dict[str, list[str]] = {
    "benchmark_answers": ["experiment", "model", "benchmark"],
    "benchmark_results": ["experiment", "model", "benchmark"],
    "benchmark_verdicts": ["experiment", "model", "benchmark"],
}
