"""The command `python -m training.evaluation`."""

from pathlib import Path
from typing import Annotated

import typer

from training.runs.command_line.options import (
    ChunksOption,
    DevicesOption,
    DtypeOption,
    EngineSeedOption,
    SettingsOption,
    read_settings,
    require_rows,
)
from training.settings.model import ONE_PROCESS


def main(
    policy: Annotated[Path, typer.Option(help="Folder of the policy.")],
    prompts: Annotated[
        Path,
        typer.Option(help="Parquet: prompt_id, prompt (messages), decoding (sampled, greedy)."),
    ],
    output: ChunksOption,
    settings_file: SettingsOption = None,
    seed: EngineSeedOption = 0,
    dtype: DtypeOption = "bfloat16",
    devices: DevicesOption = ONE_PROCESS,
) -> None:
    """Sample n responses per prompt, or a greedy one, into a folder of parquet files.

    After a crash, run the same command again: it samples only what is missing.
    """
    import polars as pl

    from training.engine.chunk_folder import ChunkFolder
    from training.evaluation import sample_decodings
    from training.settings.sampling import SamplingSettings

    settings = read_settings(SamplingSettings, settings_file)
    rows = pl.read_parquet(require_rows(prompts, "prompt_id", "prompt", "decoding"))
    folder = ChunkFolder(output)
    folder.claim(
        {"policy": policy.resolve(), "seed": seed, "dtype": dtype, **settings.model_dump()}
    )
    sample_decodings(
        folder.select_missing(rows, ["prompt_id", "decoding"]),
        policy,
        settings,
        seed=seed,
        dtype=dtype,
        commit=folder.write,
        devices=devices,
    )
