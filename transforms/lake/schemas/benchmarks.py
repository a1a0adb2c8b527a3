"""Tables of public benchmarks: answers, verdicts on them, and results."""

import polars as pl

from transforms.lake.schemas.table import LOOP_SLICE, ORDER, POLICY_ID, WRITTEN, Column, Table

MODEL = {"model": Column(pl.String, "asset of the policy"), "policy_id": POLICY_ID}
BENCHMARK = Column(pl.String, "name of the benchmark in the recipe")
BENCHMARK_ID = Column(pl.String, "hash of data, settings, shots, versions and judge")
ITEM = Column(pl.String, "key of the item in the benchmark's data")

TABLES: dict[str, Table] = {
    "benchmark_answers": Table(
        grain="One row per model, benchmark, item and repeat.",
        columns={
            **LOOP_SLICE,
            **MODEL,
            "benchmark": BENCHMARK,
            "subset": Column(pl.String, "subject or category; the benchmark's name if it has none"),
            "item": ITEM,
            "repeat": Column(pl.Int32, "repeat of the item, from 0"),
            "request_id": Column(pl.String, "hash of the request and its settings"),
            "answer": Column(pl.String, "generated text, or JSON log-likelihoods of the choices"),
            "extracted": Column(pl.String, "answer extracted from the text; null: none"),
            "score": Column(
                pl.Float64, "by the benchmark's metric; null: judged, or not run", "as metric"
            ),
            "scores": Column(
                pl.List(pl.Struct({"metric": pl.String, "value": pl.Float64})),
                "score by each metric",
                "as metric",
            ),
            "finish_reason": Column(pl.String, "stop | length; null: nothing was generated"),
        },
        partitions=["experiment", "model", "benchmark"],
    ),
    "benchmark_verdicts": Table(
        grain="One row per request to the judge of a benchmark; rows are only appended.",
        columns={
            **LOOP_SLICE,
            **MODEL,
            "benchmark": BENCHMARK,
            "benchmark_id": BENCHMARK_ID,
            "subset": Column(pl.String, "subject or category, as in benchmark_answers"),
            "item": ITEM,
            "turn": Column(pl.Int32, "turn that is judged: 1, in MT-Bench 1 or 2"),
            "shown_first": Column(pl.String, "model | baseline; null: one answer is rated"),
            "repeat": Column(pl.Int32, "0 counts; others measure the noise of the judge"),
            "request_id": Column(pl.String, "hash of the request, the judge and the repeat"),
            "judge_id": Column(pl.String, "the judge, in judges"),
            "prompt": Column(pl.String, "name of the prompt template"),
            "prompt_version": Column(pl.String, "hash of the prompt template"),
            "verdict": Column(
                pl.String, "verdict in the judge's notation: 7, A>B, m, …; null: none"
            ),
            "rating": Column(pl.Float64, "rating of one answer", "1 to 10"),
            "share": Column(pl.Float64, "share of a win for the model", "share"),
            "is_weighted": Column(pl.Boolean, "whether share is computed from token probabilities"),
            "raw_text": Column(pl.String, "the judge's answer"),
            "finish_reason": Column(pl.String, "stop | length; null: no answer"),
            "error": Column(pl.String, "why there is no answer"),
            "elapsed_s": Column(
                pl.Float64,
                "time of the request with retries; null: answered in a batch, or copied",
                "seconds",
            ),
            ORDER: WRITTEN[ORDER],
        },
        partitions=["experiment", "model", "benchmark"],
    ),
    "benchmark_results": Table(
        grain="One row per model, benchmark, subset and metric.",
        columns={
            **LOOP_SLICE,
            **MODEL,
            "benchmark": BENCHMARK,
            "subset": Column(pl.String, "all | a subject or category"),
            "metric": Column(pl.String, "name of the metric"),
            "value": Column(
                pl.Float64, "mean over items; null: none scored", "per cent; MT-Bench 1 to 10"
            ),
            "standard_error": Column(pl.Float64, "of the bootstrap; null: one item", "as value"),
            "low": Column(pl.Float64, "lower end of the interval", "as value"),
            "high": Column(pl.Float64, "upper end of the interval", "as value"),
            "interval": Column(pl.String, "kind of the interval, and the resampled unit"),
            "items": Column(pl.Int64, "items that have the metric"),
            "unscored_items": Column(pl.Int64, "answered items without the metric"),
            "note": Column(pl.String, "why not to trust the value, such as extrapolated; or null"),
            "judge_id": Column(pl.String, "the judge, in judges; null: none"),
            "benchmark_id": BENCHMARK_ID,
            "source": Column(pl.String, "harness or library of the measurement, and its version"),
        },
        partitions=["experiment", "model", "benchmark"],
    ),
}
