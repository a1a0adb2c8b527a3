"""The command `python -m training.reference_logps`."""

from pathlib import Path
from typing import Annotated

import typer

from training.runs.command_line.options import (
    DevicesOption,
    DtypeOption,
    SettingsOption,
    read_settings,
    require_rows,
)
from training.settings.model import ONE_PROCESS


def main(
    pairs: Annotated[Path, typer.Option(help="Parquet: prompt_id, prompt, chosen, rejected.")],
    start: Annotated[Path, typer.Option(help="Checkpoint that DPO starts from.")],
    reference: Annotated[Path, typer.Option(help="Checkpoint of the frozen reference.")],
    output: Annotated[
        Path, typer.Option(help="Parquet: the pairs as token ids, for training.dpo.")
    ],
    settings_file: SettingsOption = None,
    dtype: DtypeOption = "bfloat16",
    devices: DevicesOption = ONE_PROCESS,
) -> None:
    """Tokenize preference pairs and add the log-probabilities of the reference of DPO."""
    import polars as pl

    from training.reference_logps import add_reference_logps
    from training.settings.objectives import DPOSettings

    settings = read_settings(DPOSettings, settings_file)
    done = add_reference_logps(
        pl.read_parquet(require_rows(pairs, "prompt_id", "prompt", "chosen", "rejected")),
        start,
        reference,
        settings,
        dtype=dtype,
        devices=devices,
    )
    done.pairs.write_parquet(output)
