"""Stand-in for an engine on a GPU: it sleeps for the time of a chunk, then writes made-up rows.

A command of a stage, as `training.generation` is, for `training.engine.replicas`.
"""

import json
import time
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from pydantic import Field

from bench.scaling.responses import Texts
from training.engine.chunk_folder import ChunkFolder
from training.runs.command_line.options import DevicesOption, read_settings
from training.runs.command_line.run import run_command
from training.settings.model import ONE_PROCESS
from transforms.settings.frozen import Settings

File = Annotated[Path, typer.Option()]
DRAWN = 8
"""Different chunks of texts; drawing them anew would cost more processor time than an engine has
besides its GPU."""


class SleepSettings(Settings):
    """The sampling that is imitated."""

    n: int = Field(default=8, ge=1)
    """Responses per prompt."""
    chunk_prompts: int = Field(default=64, ge=1)
    """Prompts per chunk."""
    chunk_s: float = Field(default=1.0, ge=0)
    """Seconds of sleep per chunk: the GPU's work."""


def main(prompts: File, output: File, settings: File, devices: DevicesOption = ONE_PROCESS) -> None:
    """Write a chunk of responses after each sleep."""
    given = read_settings(SleepSettings, settings)
    folder, texts = ChunkFolder(output), Texts(seed=0)
    folder.claim(given.model_dump())
    rows = folder.select_missing(pl.read_parquet(prompts), ["prompt_id"])
    drawn = [
        texts.draw(pl.Series([str(i) for i in range(given.chunk_prompts)]), given.n)
        for _ in range(DRAWN)
    ]
    started = time.perf_counter()
    for number, chunk in enumerate(rows.iter_slices(given.chunk_prompts)):
        time.sleep(given.chunk_s)
        ids = chunk.select(pl.col("prompt_id").repeat_by(given.n).explode())["prompt_id"]
        folder.write(drawn[number % DRAWN].head(ids.len()).with_columns(ids))
    elapsed_s = time.perf_counter() - started
    print(json.dumps({"rows": rows.height * given.n, "elapsed_s": elapsed_s}))


if __name__ == "__main__":
    run_command(main)
