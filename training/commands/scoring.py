"""The command `python -m training.scoring`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from training.runs.command_line.options import (
    ChunksOption,
    DevicesOption,
    DtypeOption,
    SettingsOption,
    read_settings,
    require_rows,
)
from training.settings.model import ONE_PROCESS


def main(
    reward_model: Annotated[Path, typer.Option(help="Folder of the reward model.")],
    responses: Annotated[
        Path,
        typer.Option(help="Parquet file: prompt_id, response_index, prompt (messages), response."),
    ],
    output: ChunksOption,
    settings_file: SettingsOption = None,
    dtype: DtypeOption = "bfloat16",
    devices: DevicesOption = ONE_PROCESS,
) -> None:
    """Score responses with a Bradley-Terry reward model into a folder of parquet files.

    A file has prompt_id, response_index, reward. After a crash, run the same command again: it
    scores only the missing responses. The last line is JSON: responses, tokens, seconds. Example:

    python -m training.scoring --reward-model models/rm --responses r.parquet --output scores
    """
    import polars as pl

    from training.engine.chunk_folder import ChunkFolder
    from training.scoring import score
    from training.settings.scoring import ScoringSettings

    settings = read_settings(ScoringSettings, settings_file)
    columns = ("prompt_id", "response_index", "prompt", "response")
    rows = pl.read_parquet(require_rows(responses, *columns))
    folder = ChunkFolder(output)
    folder.claim({"reward_model": reward_model.resolve(), "dtype": dtype, **settings.model_dump()})
    run = score(
        folder.select_missing(rows, ["prompt_id", "response_index"]),
        reward_model,
        settings,
        dtype=dtype,
        commit=folder.write,
        devices=devices,
    )
    print(json.dumps(asdict(run)))
