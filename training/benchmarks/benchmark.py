"""What a benchmark is to those who run one: requests, answers, figures.

Lives here: the interface, and which class has it for which settings. Not here: any benchmark
(`training.benchmarks.academic` and its neighbours), the tables (`transforms.benchmarks`).
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import polars as pl

from training.benchmark_settings import AnyBenchmark
from training.settings import SamplingSettings
from transforms.errors import InputError


class Benchmark(Protocol):
    """One benchmark, its data read, ready to be put to any model."""

    benchmark_id: str
    """Hash of all that decides a model's figures: data, settings, shots, versions, judge."""
    judge_id: str | None
    """What judged the answers; null where nothing did."""
    source: str
    """What measures, with its version."""

    def requests(self, policy: Path) -> pl.DataFrame:
        """List what a model is asked, a row an item and repeat: `answers.REQUESTS`.

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
        """Have a model answer requests, and commit them (`answers.ANSWERS`) chunk by chunk."""

    def score(self, answers: pl.DataFrame, *, description: str) -> pl.DataFrame | None:
        """Score the answers that could not be scored as they came; None where there is nothing.

        Args:
            answers: all answers of a model.
            description: what the progress bar says.

        Returns:
            All of them, in the same columns.
        """

    def results(self, answers: pl.DataFrame) -> pl.DataFrame:
        """Turn all answers of a model into figures: `results.SUMMARY`."""


def open_benchmark(
    settings: AnyBenchmark, sampling: SamplingSettings, *, seed: int, dtype: str
) -> Benchmark:
    """Read a benchmark's data and make it ready.

    Args:
        settings: which benchmark, and how.
        sampling: where the engine places a model.
        seed: of whatever is drawn.
        dtype: compute type.

    Raises:
        InputError: the data cannot be read, or the harness is not installed.
    """
    if find_spec("lm_eval") is None:
        raise InputError(
            f"{settings.benchmark} cannot be measured",
            expected="lm-evaluation-harness (package lm_eval)",
            found="no such package",
            remedy="pip install 'prefloop[benchmarks]'",
        )
    from training.benchmarks.academic import AcademicBenchmark

    return AcademicBenchmark(settings, sampling, seed=seed, dtype=dtype)
