"""The command `python -m training.sft`."""

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
    demonstrations: Annotated[Path, typer.Option(help="Parquet: row_key, messages.")],
    model: Annotated[Path, typer.Option(help="Checkpoint to start from.")],
    output: OutputOption,
    settings_file: SettingsOption = None,
    seed: SeedOption = 0,
    dtype: DtypeOption = "bfloat16",
) -> None:
    """Fine-tune a model on demonstrations."""
    from training.runs.examples import read_rows
    from training.settings.stages import SFTSettings
    from training.sft import train_sft

    settings = read_settings(SFTSettings, settings_file)
    rows = read_rows(demonstrations, "row_key", "messages")
    train_sft(rows, model, output, settings, seed=seed, dtype=dtype, report=print_report)
