"""The command of a replica: answers to some requests of a benchmark, in a folder of chunks.

Not here: dividing the requests (`training.benchmarks.answer_replicas`).
"""

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from training.benchmarks.answer_replicas import AnswerSettings
from training.benchmarks.benchmark import open_benchmark
from training.engine.chunk_folder import ChunkFolder
from training.runs.command_line.options import (
    ChunksOption,
    DevicesOption,
    DtypeOption,
    SeedOption,
    read_settings,
)
from training.runs.command_line.run import run_command
from training.settings.model import ONE_PROCESS


def main(
    policy: Annotated[Path, typer.Option(help="Folder of the model.")],
    requests: Annotated[Path, typer.Option(help="Parquet: subset, item, repeat, request_id.")],
    output: ChunksOption,
    settings_file: Annotated[
        Path, typer.Option("--settings", help="JSON file: benchmark, sampling, judge.")
    ],
    seed: SeedOption = 0,
    dtype: DtypeOption = "bfloat16",
    devices: DevicesOption = ONE_PROCESS,
) -> None:
    """Answer requests of a benchmark into a folder of parquet files.

    After a crash, run the same command again: it requests only the missing answers.
    """
    settings = read_settings(AnswerSettings, settings_file)
    benchmark = open_benchmark(
        settings.benchmark,
        settings.sampling,
        settings.judge,
        seed=seed,
        dtype=dtype,
        devices=devices,
    )
    folder = ChunkFolder(output)
    folder.claim({"policy": policy.resolve(), "seed": seed, **settings.model_dump(mode="json")})
    missing = folder.select_missing(pl.read_parquet(requests), ["subset", "item", "repeat"])
    benchmark.list_requests(policy)
    benchmark.answer(policy, missing, commit=folder.write, description="answers")


if __name__ == "__main__":
    run_command(main)
