"""The command `python -m training.raft`."""

from pathlib import Path
from typing import Annotated

import typer

from training.runs.command_line.options import (
    DtypeOption,
    OutputOption,
    SeedOption,
    SettingsOption,
    read_settings,
)
from training.runs.command_line.run import print_report


def main(
    responses: Annotated[Path, typer.Option(help="Parquet: prompt_id, prompt, completion.")],
    start: Annotated[Path, typer.Option(help="Checkpoint that training starts from.")],
    output: OutputOption,
    settings_file: SettingsOption = None,
    seed: SeedOption = 0,
    dtype: DtypeOption = "bfloat16",
) -> None:
    """Fine-tune a policy on its own best responses."""
    from training.raft import train_raft
    from training.runs.examples import read_rows
    from training.settings.objectives import RAFTSettings

    settings = read_settings(RAFTSettings, settings_file)
    rows = read_rows(responses, "prompt_id", "prompt", "completion")
    train_raft(rows, start, output, settings, seed=seed, dtype=dtype, report=print_report)
