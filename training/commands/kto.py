"""The command `python -m training.kto`."""

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
    responses: Annotated[
        Path,
        typer.Option(
            help="Parquet: prompt_id, prompt, completion, label with --reference; without it,"
            " mismatched rows with token ids and log-probabilities of the reference."
        ),
    ],
    start: Annotated[Path, typer.Option(help="Checkpoint that training starts from.")],
    output: OutputOption,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Checkpoint of the frozen reference. The rows are mismatched by the seed, and"
            " their log-probabilities computed; only in one process."
        ),
    ] = None,
    settings_file: SettingsOption = None,
    seed: SeedOption = 0,
    dtype: DtypeOption = "bfloat16",
) -> None:
    """Train a policy on desirable and undesirable responses with KTO."""
    import polars as pl

    from training.kto import train_kto
    from training.reference_logps import add_reference_logps
    from training.runs.examples import Rows, read_rows
    from training.settings.objectives import KTOSettings
    from transforms.pairs.unpaired import SIDES, add_mismatched

    settings = read_settings(KTOSettings, settings_file)
    if reference is None:
        rows: Rows | Path = read_rows(responses)
    else:
        file = require_rows(responses, "prompt_id", "prompt", "completion", "label")
        mixed = add_mismatched(pl.read_parquet(file), settings.micro_batch_size, seed)
        rows = add_reference_logps(
            mixed, start, reference, settings, dtype=dtype, sides=SIDES, seed=seed
        ).pairs
    train_kto(rows, start, output, settings, seed=seed, dtype=dtype, report=print_report)
