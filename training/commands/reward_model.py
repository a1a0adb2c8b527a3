"""The command `python -m training.reward_model`."""

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
    pairs: Annotated[Path, typer.Option(help="Parquet: pair_id, prompt, chosen, rejected.")],
    policy: Annotated[Path, typer.Option(help="Checkpoint that training starts from.")],
    output: OutputOption,
    settings_file: SettingsOption = None,
    seed: SeedOption = 0,
    dtype: DtypeOption = "bfloat16",
) -> None:
    """Train a Bradley-Terry reward model on preference pairs."""
    from training.reward_model import train_reward_model
    from training.runs.examples import read_rows
    from training.settings.stages import RewardModelSettings

    settings = read_settings(RewardModelSettings, settings_file)
    rows = read_rows(pairs, "pair_id", "prompt", "chosen", "rejected")
    train_reward_model(rows, policy, output, settings, seed=seed, dtype=dtype, report=print_report)
