"""One benchmark on one model of the lake: missing answers are sampled, results recorded.

Assets and the command line both use it. Not here: the models that are measured
(`assets.evaluation.benchmarks`), the requests of a benchmark (`training.benchmarks`).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

import polars as pl

from assets.materialize import Step
from training.benchmarks.benchmark import Benchmark, open_benchmark
from training.settings.benchmarks import AnyBenchmark
from transforms.benchmarks import results
from transforms.benchmarks.answer_table import Answers, MeasuredModel
from transforms.benchmarks.judged.verdict_table import Verdicts
from transforms.lake.lake import Lake
from transforms.lake.locks import lock_slice
from transforms.lake.records.checkpoints import Checkpoint
from transforms.pairs.judgments import record_judge
from transforms.settings.commits import DEFAULT_COMMITS, CommitSettings


def open_study_benchmark(step: Step, settings: AnyBenchmark) -> Benchmark:
    """Open a benchmark with the engine and the judge of a study."""
    return open_benchmark(
        settings,
        step.loop.sampling,
        step.study.recipe.resolve_judge(),
        seed=step.study.seed("evaluation"),
        dtype=step.dtype,
        devices=step.devices,
    )


def measure(
    lake: Lake,
    measured: MeasuredModel,
    policy: Checkpoint,
    name: str,
    benchmark: Benchmark,
    log: Callable[[str], None],
    commits: CommitSettings = DEFAULT_COMMITS,
) -> pl.DataFrame:
    """Measure a model on a benchmark and record its answers and results; a killed run continues.

    Only one run at a time measures the models of an experiment: each removes answers to old
    requests, and a request that another run waits for would be sent twice.

    Args:
        lake: the lake.
        measured: the columns that identify the model.
        policy: its checkpoint.
        name: name of the benchmark in the recipe.
        benchmark: the opened benchmark.
        log: called with one line per step.
        commits: when answers and verdicts are committed.

    Returns:
        The model's rows of `benchmark_results`.
    """
    with lock_results(lake, measured.experiment, name, log):
        answers = Answers(lake, measured, name, commits)
        requests = benchmark.list_requests(policy.path)
        missing = answers.select_missing(requests)
        log(f"{name}: {measured.model}: {missing.height} of {requests.height} items to answer")
        if missing.height:
            with answers.append_chunks() as append:
                benchmark.answer(
                    policy.path,
                    missing,
                    commit=append,
                    description=f"{name}: {measured.model}",
                )
        rows = answers.read()
        scored = benchmark.score(rows, description=f"{name}: {measured.model}: scores")
        if scored is not None:
            answers.replace(scored)
            rows = scored
        identity = {"benchmark": name, "benchmark_id": benchmark.benchmark_id}
        verdicts = Verdicts(lake, {**measured._asdict(), **identity}, commits)
        if benchmark.judge is not None:
            record_judge(lake, benchmark.judge)
            sent = benchmark.ask_judge(
                rows, verdicts, description=f"{name}: {measured.model}: verdicts"
            )
            log(f"{name}: {measured.model}: {sent} requests sent to the judge")
        return results.record(
            lake,
            benchmark.compute_results(rows, verdicts.read()),
            **measured._asdict(),
            **identity,
            judge_id=benchmark.judge_id,
            source=benchmark.source,
        )


def lock_results(
    lake: Lake, experiment: str, name: str, log: Callable[[str], None]
) -> AbstractContextManager[bool]:
    """Lock an experiment's answers and results of a benchmark."""
    return lock_slice(lake, f"{results.TABLE}/{name}", experiment, wait=log)
