"""The command `python -m training.ranking`."""

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
    preference_model: Annotated[Path, typer.Option(help="Folder of the preference model.")],
    responses: Annotated[
        Path,
        typer.Option(help="Parquet file: prompt_id, response_index, prompt (messages), response."),
    ],
    output: ChunksOption,
    settings_file: SettingsOption = None,
    dtype: DtypeOption = "bfloat16",
    devices: DevicesOption = ONE_PROCESS,
) -> None:
    """Rank responses with a pairwise preference model into a folder of parquet files.

    A file has prompt_id, response_index, reward. After a crash, run the same command again: it
    ranks only the missing prompts. The last line is JSON: responses, comparisons, seconds. Example:

    python -m training.ranking --preference-model models/pm --responses r.parquet --output scores
    """
    import polars as pl

    from training.engine.chunk_folder import ChunkFolder
    from training.ranking import rank
    from training.settings.scoring import RankingSettings

    settings = read_settings(RankingSettings, settings_file)
    columns = ("prompt_id", "response_index", "prompt", "response")
    rows = pl.read_parquet(require_rows(responses, *columns))
    folder = ChunkFolder(output)
    folder.claim(
        {"preference_model": preference_model.resolve(), "dtype": dtype, **settings.model_dump()}
    )
    run = rank(
        folder.select_missing(rows, ["prompt_id"]),
        preference_model,
        settings,
        dtype=dtype,
        commit=folder.write,
        devices=devices,
    )
    print(json.dumps(asdict(run)))
