"""Answers to a benchmark's requests from replicas of the model, each with a part of the requests.

Not here: the command of a replica (`training.benchmarks.answers`), the processes
(`training.engine.replicas`).
"""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from training.engine.replicas import StageCommand, run_on_replicas
from training.settings.benchmarks import AnyBenchmark
from training.settings.judge import JudgeSettings
from training.settings.model import DeviceSettings
from training.settings.sampling import SamplingSettings
from transforms.settings.frozen import Settings

COMMAND = StageCommand(
    "training.benchmarks.answers", rows="requests", key="request_id", unit="item"
)


class AnswerSettings(Settings):
    """Settings of the command of a replica."""

    benchmark: AnyBenchmark
    """The benchmark."""
    sampling: SamplingSettings
    """Placement of the model in vLLM."""
    judge: JudgeSettings | None = None
    """The judge of the benchmark, which is not called."""


def answer_on_replicas(
    settings: AnswerSettings,
    policy: Path,
    missing: pl.DataFrame,
    *,
    seed: int,
    dtype: str,
    devices: DeviceSettings,
    commit: Callable[[pl.DataFrame], None],
    description: str,
) -> None:
    """Request the missing answers from replicas of a model.

    All engines have the same seed, because the identity of a request contains it.

    Args:
        settings: the benchmark and the engine.
        policy: folder of the model.
        missing: the requests, `answer_table.REQUESTS`.
        seed: seed of every engine.
        dtype: compute type.
        devices: number of replicas, and GPUs of each.
        commit: called with chunks of `answer_table.ANSWERS`, in order of completion.
        description: label of the progress bar.

    Raises:
        InputError: there are too few GPUs; or a prompt does not fit, then the items of the other
            replicas are still answered.
        RuntimeError: a replica failed.
    """
    run_on_replicas(
        COMMAND,
        missing,
        [{"policy": policy, "seed": seed, "dtype": dtype}] * devices.replicas,
        devices,
        settings=settings,
        commit=commit,
        description=description,
        total=missing.height,
    )
