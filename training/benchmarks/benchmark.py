"""The interface of a benchmark (requests, answers, figures), and opening one by its settings.

Not here: the benchmarks (`training.benchmarks.academic`, `training.benchmarks.judged_benchmark`),
their tables (`transforms.benchmarks`).
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, runtime_checkable

import polars as pl

from training.settings.benchmarks import (
    AlpacaEvalSettings,
    AnyBenchmark,
    ArenaHardSettings,
    JudgedSettings,
    MTBenchSettings,
)
from training.settings.judge import JudgeSettings
from training.settings.sampling import SamplingSettings
from transforms.benchmarks.judged.verdict_table import Verdicts
from transforms.errors import InputError
from transforms.sources.files.reading import fingerprint_origin
from transforms.sources.files.set_files import locate_parts


class Benchmark(Protocol):
    """One benchmark, its data read, ready to be put to any model."""

    benchmark_id: str
    """Hash of all that decides a model's figures: data, settings, shots, versions, judge."""
    judge_id: str | None
    """What judged the answers; null where nothing did."""
    source: str
    """What measures, with its version."""

    def requests(self, policy: Path) -> pl.DataFrame:
        """List what a model is asked, one row per item and repeat: `answer_table.REQUESTS`.

        Called before `answer`, with the same policy.
        """

    def answer(
        self,
        policy: Path,
        missing: pl.DataFrame,
        *,
        commit: Callable[[pl.DataFrame], None],
        description: str,
    ) -> None:
        """Have a model answer requests, and commit them (`answer_table.ANSWERS`) chunk by chunk."""

    def score(self, answers: pl.DataFrame, *, description: str) -> pl.DataFrame | None:
        """Score the answers that could not be scored as they came; None where there is nothing.

        Args:
            answers: all answers of a model.
            description: label of the progress bar.

        Returns:
            All of them, in the same columns.
        """

    def results(self, answers: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
        """Turn all answers of a model, and a judge's verdicts on them, into `results.SUMMARY`.

        Where no judge is asked there are no verdicts.
        """


@runtime_checkable
class Judged(Benchmark, Protocol):
    """A benchmark whose answers a judge scores."""

    judge: pl.DataFrame
    """The judge with the benchmark's prompts: its row of `judges`."""

    def ask_judge(self, answers: pl.DataFrame, verdicts: Verdicts, *, description: str) -> int:
        """Ask the judge for the missing verdicts; return how many requests were sent."""


def open_benchmark(
    settings: AnyBenchmark,
    sampling: SamplingSettings,
    judge: JudgeSettings | None,
    *,
    seed: int,
    dtype: str,
) -> Benchmark | Judged:
    """Read a benchmark's data and make it ready.

    Args:
        settings: which benchmark, and how.
        sampling: where the engine places a model.
        judge: scores the answers to AlpacaEval, MT-Bench and Arena-Hard.
        seed: of the engine.
        dtype: compute type.

    Raises:
        InputError: the data cannot be read, the harness is not installed, or there is no judge.
    """
    if isinstance(settings, JudgedSettings):
        return _open_judged(settings, sampling, judge, seed=seed, dtype=dtype)
    if find_spec("lm_eval") is None:
        raise InputError(
            f"{settings.benchmark} cannot be measured",
            expected="lm-evaluation-harness (package lm_eval)",
            found="no such package",
            remedy="pip install 'prefloop[benchmarks]'",
        )
    from training.benchmarks.academic import AcademicBenchmark

    return AcademicBenchmark(settings, sampling, seed=seed, dtype=dtype)


def _open_judged(
    settings: JudgedSettings,
    sampling: SamplingSettings,
    judge: JudgeSettings | None,
    *,
    seed: int,
    dtype: str,
) -> Judged:
    if judge is None:
        raise InputError(
            f"{settings.benchmark} cannot be measured",
            expected="a judge",
            found="none",
            remedy="set `judge` in the recipe (--recipe names one)",
        )
    from training.benchmarks.judged_benchmark import JudgedBenchmark
    from training.benchmarks.mt_bench_task import open_mt_bench
    from training.benchmarks.pairwise_task import open_alpaca_eval, open_arena_hard

    openers = {
        AlpacaEvalSettings: open_alpaca_eval,
        MTBenchSettings: open_mt_bench,
        ArenaHardSettings: open_arena_hard,
    }
    data = locate_parts(settings.benchmark, settings.data)
    return JudgedBenchmark(
        openers[type(settings)](settings, data),
        settings,
        judge,
        sampling,
        data={part: fingerprint_origin(origin) for part, origin in data.items()},
        seed=seed,
        dtype=dtype,
    )
