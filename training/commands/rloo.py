"""The command `python -m training.rloo`."""

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
    prompts: Annotated[Path, typer.Option(help="Parquet: prompt_id, prompt, reference.")],
    start: Annotated[Path, typer.Option(help="Checkpoint that training starts from.")],
    reference: Annotated[Path, typer.Option(help="Checkpoint of the frozen reference.")],
    output: OutputOption,
    settings_file: SettingsOption = None,
    seed: SeedOption = 0,
    dtype: DtypeOption = "bfloat16",
) -> None:
    """Train a policy by policy gradient on rewards, with a KL penalty to a reference.

    The rewards are in the file of the settings, such as {"sampling": {"n": 4}, "rewards": {"brief":
    {"reward": {"function": "rewards.py:brief"}}}}.
    """
    from training.rloo import train_rloo
    from training.runs.examples import read_rows
    from training.settings.objectives import RLOORun

    train_rloo(
        read_rows(prompts, "prompt_id", "prompt"),
        start,
        output,
        read_settings(RLOORun, settings_file),
        reference=reference,
        seed=seed,
        dtype=dtype,
        report=print_report,
    )
