"""The command `python -m training.generation`."""

import json
from dataclasses import asdict
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
    policy: Annotated[
        Path, typer.Option(help="Folder of the policy: weights, tokenizer, template.")
    ],
    prompts: Annotated[Path, typer.Option(help="Parquet: prompt_id, prompt (messages).")],
    output: ChunksOption,
    settings_file: SettingsOption = None,
    seed: EngineSeedOption = 0,
    dtype: DtypeOption = "bfloat16",
    devices: DevicesOption = ONE_PROCESS,
) -> None:
    """Sample n responses per prompt with vLLM into a folder of parquet files.

    After a crash, run the same command again: it samples only the missing prompts. The last line is
    JSON: prompts, responses, tokens, seconds. Example:

    python -m training.generation --policy sft --prompts prompts.parquet --output responses
    """
    import polars as pl

    from training.engine.chunk_folder import ChunkFolder
    from training.generation import generate
    from training.settings.sampling import SamplingSettings

    settings = read_settings(SamplingSettings, settings_file)
    rows = pl.read_parquet(require_rows(prompts, "prompt_id", "prompt"))
    folder = ChunkFolder(output)
    folder.claim(
        {"policy": policy.resolve(), "seed": seed, "dtype": dtype, **settings.model_dump()}
    )
    run = generate(
        folder.select_missing(rows, ["prompt_id"]),
        policy,
        settings,
        seed=seed,
        dtype=dtype,
        commit=folder.write,
        devices=devices,
    )
    print(json.dumps(asdict(run)))
