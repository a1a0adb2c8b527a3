"""The command `python -m training.dpo`."""

from pathlib import Path
from typing import Annotated

import typer

from training.runs.command_line.options import (
    DtypeOption,
    OutputOption,
    SeedOption,
    SettingsOption,
    read_settings,
    require_rows,
)
from training.runs.command_line.run import print_report


def main(
    pairs: Annotated[
        Path,
        typer.Option(
            help="Parquet: prompt_id, prompt, chosen, rejected with --reference; without it, the"
            " output of training.reference_logps."
        ),
    ],
    start: Annotated[Path, typer.Option(help="Checkpoint that training starts from.")],
    output: OutputOption,
    reference: Annotated[
        Path | None,
        typer.Option(help="Checkpoint of the frozen reference; only in one process."),
    ] = None,
    settings_file: SettingsOption = None,
    seed: SeedOption = 0,
    dtype: DtypeOption = "bfloat16",
) -> None:
    """Train a policy on preference pairs with DPO."""
    import polars as pl

    from training.dpo import train_dpo
    from training.reference_logps import add_reference_logps
    from training.runs.examples import Rows, read_rows
    from training.settings.objectives import DPOSettings

    settings = read_settings(DPOSettings, settings_file)
    if reference is None:
        rows: Rows | Path = read_rows(pairs)
    else:
        given = pl.read_parquet(require_rows(pairs, "prompt_id", "prompt", "chosen", "rejected"))
        rows = add_reference_logps(given, start, reference, settings, dtype=dtype, seed=seed).pairs
    train_dpo(rows, start, output, settings, seed=seed, dtype=dtype, report=print_report)
