"""The commands `prefloop label export` and `prefloop label import`: labelling by people."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from assets.cli.files import read_text
from assets.cli.options import QUICKSTART_HOME, LakeHome, exit_on_bad_input
from assets.home import open_lake
from transforms.errors import InputError

label = typer.Typer(help="Export pairs for people to label, and import their labels.")

EXPORT_EXAMPLES = """
Examples:

\b
prefloop label export by_people/1 > queue.jsonl
prefloop label export by_people/1 --missing > rest.jsonl   # unlabelled ones
prefloop label export by_people/1 --format argilla > records.json
"""
IMPORT_EXAMPLES = """
Examples:

\b
prefloop label import queue.jsonl
prefloop label import records.json     # from Argilla's records.to_json
"""


@label.command("export", epilog=EXPORT_EXAMPLES)
def export(
    queue: Annotated[
        str,
        typer.Argument(metavar="EXPERIMENT/ITERATION", help="The queue, such as by_people/1."),
    ],
    home: LakeHome = QUICKSTART_HOME,
    form: Annotated[
        Literal["jsonl", "argilla"],
        typer.Option("--format", help="JSON lines, or a JSON array of Argilla 2 records."),
    ] = "jsonl",
    missing: Annotated[
        bool, typer.Option("--missing", help="Only pairs without a label of a person.")
    ] = False,
) -> None:
    """Print the label queue of an iteration; fill in `person` and `preferred`."""
    from transforms.pairs.feedback.people import format_queue
    from transforms.pairs.feedback.queue import read_queue, select_unlabelled

    with exit_on_bad_input():
        lake = open_lake(home)
        experiment, _, iteration = queue.partition("/")
        if not iteration.isdecimal():
            raise InputError(
                "no such queue",
                expected="EXPERIMENT/ITERATION, such as by_people/1",
                found=queue,
                remedy='prefloop sql "select distinct experiment, iteration from label_queue"',
            )
        rows = read_queue(lake, experiment, int(iteration))
        if missing:
            rows = select_unlabelled(lake, rows)
        typer.echo(format_queue(rows, form), nl=False)
        typer.echo(f"{rows.height} pairs", err=True)


@label.command("import", epilog=IMPORT_EXAMPLES)
def import_(
    file: Annotated[Path, typer.Argument(help="A completed label file in either format.")],
    home: LakeHome = QUICKSTART_HOME,
) -> None:
    """Check the labels of a file row by row; add all of them to the lake, or none."""
    from transforms.pairs.feedback.imports import import_answers
    from transforms.pairs.feedback.people import read_answers
    from transforms.pairs.feedback.queue import read_queue, select_unlabelled

    with exit_on_bad_input():
        lake = open_lake(home)
        text = read_text(file, "a label file", "prefloop label export writes one")
        done = import_answers(lake, read_answers(text))
        typer.echo(f"{done.labels.height} labels added, {done.known} were already in the lake")
        for experiment, iteration in done.labels.select("experiment", "iteration").unique().rows():
            rest = select_unlabelled(lake, read_queue(lake, experiment, iteration)).height
            typer.echo(f"{experiment}/{iteration}: {rest} pairs have no label yet")
