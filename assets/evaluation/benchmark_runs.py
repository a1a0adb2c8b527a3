"""One benchmark on one model of the lake: missing answers are requested, figures recorded.

Lives here: the steps, for assets and the command line alike. Not here: which models of a
study are measured (`assets.evaluation.benchmarks`), what a benchmark asks (`training.benchmarks`).
"""

from collections.abc import Callable

import polars as pl

from training.benchmarks.benchmark import Benchmark, Judged
from transforms.benchmarks import results
from transforms.benchmarks.answer_table import Answers, MeasuredModel
from transforms.benchmarks.judged.verdict_table import Verdicts
from transforms.lake.lake import Lake
from transforms.lake.records.checkpoints import Checkpoint
from transforms.pairs.judgments import record_judge


def measure(
    lake: Lake,
    measured: MeasuredModel,
    policy: Checkpoint,
    name: str,
    benchmark: Benchmark | Judged,
    log: Callable[[str], None],
) -> pl.DataFrame:
    """Put a benchmark to a model and record its answers and figures; a killed run goes on.

    Args:
        lake: the lake.
        measured: how the rows name the model.
        policy: its checkpoint.
        name: of the benchmark in the recipe.
        benchmark: opened.
        log: gets one line per step.

    Returns:
        The model's rows of `benchmark_results`.
    """
    answers = Answers(lake, measured, name)
    requests = benchmark.requests(policy.path)
    missing = answers.select_missing(requests)
    log(f"{name}: {measured.model}: {missing.height} of {requests.height} items to answer")
    if missing.height:
        benchmark.answer(
            policy.path,
            missing,
            commit=answers.commit,
            description=f"{name}: {measured.model}",
        )
    rows = answers.read()
    scored = benchmark.score(rows, description=f"{name}: {measured.model}: scores")
    if scored is not None:
        answers.replace(scored)
        rows = scored
    verdicts = Verdicts(lake, {**measured._asdict(), "benchmark": name})
    if benchmark.judge_id is not None:
        record_judge(lake, benchmark.judge)
        sent = benchmark.ask_judge(
            rows, verdicts, description=f"{name}: {measured.model}: verdicts"
        )
        log(f"{name}: {measured.model}: {sent} requests sent to the judge")
    return results.record(
        lake,
        benchmark.results(rows, verdicts.read()),
        **measured._asdict(),
        benchmark=name,
        judge_id=benchmark.judge_id,
        benchmark_id=benchmark.benchmark_id,
        source=benchmark.source,
    )
