"""The command `prefloop export-data`: pairs and responses for other trainers, and for Argilla."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from assets.cli.files import refuse_unwritable
from assets.cli.options import QUICKSTART_HOME, LakeHome, exit_on_bad_input
from assets.home import open_lake

EXAMPLES = """
Examples:

\b
prefloop export-data iterative/2 > pairs.jsonl                # for TRL's DPOTrainer
prefloop export-data iterative --format openrlhf --output pairs.jsonl    # all iterations
prefloop export-data iterative/2 --rows responses --format argilla > records.json
"""


def export_data(
    name: Annotated[
        str,
        typer.Argument(
            metavar="SLICE",
            help="EXPERIMENT or EXPERIMENT/ITERATION; with @TIME, its version at that time.",
        ),
    ],
    rows: Annotated[
        Literal["pairs", "responses"],
        typer.Option(help="DPO pairs; or every response with its reward."),
    ] = "pairs",
    form: Annotated[
        Literal["trl", "openrlhf", "llama_factory", "argilla"],
        typer.Option("--format", help="The program that reads the file."),
    ] = "trl",
    output: Annotated[
        Path | None, typer.Option(help="File to write.", show_default="standard output")
    ] = None,
    home: LakeHome = QUICKSTART_HOME,
) -> None:
    """Export pairs or responses as JSON for TRL, OpenRLHF, LLaMA-Factory or Argilla."""
    from transforms.views.training_data import format_rows, read_rows

    with exit_on_bad_input():
        found = read_rows(open_lake(home), name, rows)
        text = format_rows(found, rows, form)
        if output is None:
            sys.stdout.writelines(text)
        else:
            with refuse_unwritable(output), output.open("w", encoding="utf-8") as file:
                file.writelines(text)
    typer.echo(f"{found.height} rows", err=True)
