"""A stage that doubles numbers: a command for tests of the processes, without a model."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from training.engine.chunk_folder import ChunkFolder
from training.runs.command_line.options import DevicesOption
from training.runs.command_line.run import run_command
from training.settings.model import ONE_PROCESS
from transforms.errors import InputError

File = Annotated[Path, typer.Option()]


def main(
    rows: File,
    output: File,
    settings: File,
    mode: str = "",
    devices: DevicesOption = ONE_PROCESS,
) -> None:
    """Write a chunk per missing row, then do what the mode asks for."""
    if mode == "unloadable":
        raise ValueError("no such weights")
    folder = ChunkFolder(output)
    folder.claim({})
    numbers = folder.select_missing(pl.read_parquet(rows), ["id"])
    for row in numbers.iter_slices(1):
        folder.write(row.with_columns(pl.col("n") * 2))
        time.sleep(1.0 if mode == "slow" else 0)
    if mode == "refuse":
        raise InputError("bad rows", expected="good ones", found="bad ones", remedy="drop them")
    if mode == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "fail":
        raise ValueError("no such weights")
    if mode == "wait":
        time.sleep(600)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    print(json.dumps({"rows": numbers.height, "gpus": visible, "devices": devices.model_dump()}))


if __name__ == "__main__":
    run_command(main)
