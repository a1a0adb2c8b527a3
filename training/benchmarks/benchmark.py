"""The interface of a benchmark (requests, answers, scores, results), and opening one.

Not here: the benchmarks (`training.benchmarks.academic`, `training.benchmarks.judged_benchmark`),
their tables (`transforms.benchmarks`).
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import polars as pl

from training.settings.benchmarks import (
    AlpacaEvalSettings,
    AnyBenchmark,
    ArenaHardSettings,
    JudgedSettings,
    MTBenchSettings,
)
from training.settings.judge import JudgeSettings
from training.settings.model import ONE_PROCESS, DeviceSettings
from training.settings.sampling import SamplingSettings
from transforms.benchmarks.judged.verdict_table import Verdicts
from transforms.errors import InputError
from transforms.sources.files.content import fingerprint_origin
from transforms.sources.files.set_files import locate_parts


class Benchmark(Protocol):
    """One benchmark with its data, for any model."""

    @property
    def benchmark_id(self) -> str:
        """Hash of everything that affects figures: data, settings, shots, versions, judge."""

    @property
    def judge(self) -> pl.DataFrame | None:
        """The judge with the benchmark's prompts, as its row of `judges`; None without a judge."""

    @property
    def judge_id(self) -> str | None:
        """Identity of the judge; None without a judge."""

    @property
    def source(self) -> str:
        """The program that measures, with its version."""

    def list_requests(self, policy: Path) -> pl.DataFrame:
        """List the requests to a model, one row per item and repeat: `answer_table.REQUESTS`.

        Must be called before `answer`, with the same policy.
        """

    def answer(
        self,
        policy: Path,
        missing: pl.DataFrame,
        *,
        commit: Callable[[pl.DataFrame], None],
        description: str,
    ) -> None:
        """Request the missing answers; commit them in chunks (`answer_table.ANSWERS`)."""

    def score(self, answers: pl.DataFrame, *, description: str) -> pl.DataFrame | None:
        """Compute the scores that `answer` leaves out (those of programs); None if there are none.

        Args:
            answers: all answers of a model.
            description: label of the progress bar.

        Returns:
            All answers, with the same columns.
        """

    def ask_judge(self, answers: pl.DataFrame, verdicts: Verdicts, *, description: str) -> int:
        """Request the missing verdicts from the judge; return the number of requests."""

    def compute_results(self, answers: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
        """Compute figures (`results.SUMMARY`) from a model's answers and a judge's verdicts.

        Without a judge there are no verdicts.
        """


def open_benchmark(
    settings: AnyBenchmark,
    sampling: SamplingSettings,
    judge: JudgeSettings | None,
    *,
    seed: int,
    dtype: str,
    devices: DeviceSettings = ONE_PROCESS,
) -> Benchmark:
    """Open a benchmark: read its data, and its prompts for a judge.

    Args:
        settings: the benchmark's settings.
        sampling: placement of the model in the engine.
        judge: the judge for AlpacaEval, MT-Bench and Arena-Hard.
        seed: seed of the engine.
        dtype: compute type.
        devices: replicas of the model that answer the requests, and GPUs of each.

    Raises:
        InputError: the data cannot be read, the harness is not installed, or a judge is needed and
            not set.
    """
    if isinstance(settings, JudgedSettings):
        return _open_judged(settings, sampling, judge, seed=seed, dtype=dtype, devices=devices)
    if find_spec("lm_eval") is None:
        raise InputError(
            f"{settings.benchmark} cannot be measured",
            expected="lm-evaluation-harness (package lm_eval)",
            found="no such package",
            remedy="pip install 'prefloop[benchmarks]'",
        )
    from training.benchmarks.academic import AcademicBenchmark

    return AcademicBenchmark(settings, sampling, seed=seed, dtype=dtype, devices=devices)


def _open_judged(
    settings: AlpacaEvalSettings | MTBenchSettings | ArenaHardSettings,
    sampling: SamplingSettings,
    judge: JudgeSettings | None,
    *,
    seed: int,
    dtype: str,
    devices: DeviceSettings,
) -> Benchmark:
    if judge is None:
        raise InputError(
            f"{settings.benchmark} cannot be measured",
            expected="a judge",
            found="none",
            remedy="set `judge` in the recipe, and pass the recipe by --recipe",
        )
    from training.benchmarks.judged_benchmark import JudgedBenchmark, JudgedTask
    from training.benchmarks.mt_bench_task import open_mt_bench
    from training.benchmarks.pairwise_task import open_alpaca_eval, open_arena_hard

    data = locate_parts(settings.benchmark, settings.data)
    task: JudgedTask
    match settings:
        case AlpacaEvalSettings():
            task = open_alpaca_eval(settings, data)
        case MTBenchSettings():
            task = open_mt_bench(settings, data)
        case ArenaHardSettings():
            task = open_arena_hard(settings, data)
    return JudgedBenchmark(
        task,
        settings,
        judge,
        sampling,
        data={part: fingerprint_origin(origin) for part, origin in data.items()},
        seed=seed,
        dtype=dtype,
        devices=devices,
    )
