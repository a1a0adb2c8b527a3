"""One benchmark on one model of the lake: missing answers are requested, figures recorded.

Lives here: the steps, for assets and the command line alike. Not here: which models of a
study are measured (`assets.evaluation.benchmarks`), what a benchmark asks (`training.benchmarks`).
"""

from collections.abc import Callable

import polars as pl

from training.benchmarks.benchmark import Benchmark, Judged
from transforms.benchmarks import results
from transforms.benchmarks.answer_table import Answers, Measured
from transforms.benchmarks.judged.verdict_table import Verdicts
from transforms.errors import InputError
from transforms.formats import short_id
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints
from transforms.lake.records.checkpoints import Checkpoint
from transforms.pairs.judgments import record_judge
from transforms.views.lineage.subjects import SHORTEST_PREFIX

POLICY = "causal_lm"
"""Kind of the checkpoints that can be measured."""


def find_policy(lake: Lake, checkpoint: str) -> tuple[Measured, Checkpoint]:
    """Find a checkpoint by the first digits of its id, and how its rows name it.

    Returns:
        Its asset and slice; `<asset>@<id>` where a newer checkpoint has replaced it.

    Raises:
        InputError: none begins so, several do, or it is no policy.
    """
    rows = lake.read(checkpoints.TABLE).sort("created_at")
    found = rows.filter(pl.col("checkpoint_id").str.starts_with(checkpoint))
    ids = found["checkpoint_id"].unique(maintain_order=True).to_list()
    kinds = found["kind"].unique().to_list()
    if len(checkpoint) < SHORTEST_PREFIX or len(ids) != 1 or kinds != [POLICY]:
        raise InputError(
            f"no policy is called {checkpoint}",
            expected=f"the id of one {POLICY}, or its first {SHORTEST_PREFIX} digits or more",
            found=", ".join(f"{short_id(one)} ({'/'.join(kinds)})" for one in ids[:5])
            or "no such id",
            remedy='prefloop sql "select asset, experiment, checkpoint_id, kind from checkpoints"',
        )
    row = found.row(-1, named=True)
    newest = rows.filter(asset=row["asset"], experiment=row["experiment"])["checkpoint_id"][-1]
    model = row["asset"] if newest == ids[0] else f"{row['asset']}@{short_id(ids[0])}"
    return (
        Measured(row["experiment"], row["iteration"], model, ids[0]),
        Checkpoint(ids[0], lake.root / row["path"]),
    )


def measure(
    lake: Lake,
    measured: Measured,
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
    missing = answers.missing(requests)
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
