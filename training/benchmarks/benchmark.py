"""What a benchmark is to those who run one: requests, answers, figures.

Lives here: the interface, and which class has it for which settings. Not here: any benchmark
(`training.benchmarks.academic` and its neighbours), the tables (`transforms.benchmarks`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import polars as pl


class Benchmark(Protocol):
    """One benchmark, its data read, ready to be put to any model."""

    benchmark_id: str
    """Hash of all that decides a model's figures: data, settings, shots, versions, judge."""
    judge_id: str | None
    """What judged the answers; null where nothing did."""
    source: str
    """What measures, with its version."""

    def requests(self, policy: Path) -> pl.DataFrame:
        """List what a model is asked, a row an item and repeat: `answers.REQUESTS`."""

    def answer(
        self,
        policy: Path,
        missing: pl.DataFrame,
        *,
        commit: Callable[[pl.DataFrame], None],
        description: str,
    ) -> None:
        """Have a model answer requests, and commit them (`answers.ANSWERS`) chunk by chunk."""

    def results(self, answers: pl.DataFrame) -> pl.DataFrame:
        """Turn all answers of a model into figures: `results.SUMMARY`."""
