"""The end of `prefloop run`: policies side by side, the comparison in words, commands to go on.

Not here: the table and the sentences (`transforms.views.headline`).
"""

import shlex
from datetime import UTC, datetime
from pathlib import Path
from textwrap import fill

import polars as pl
import typer

from assets.cli.console import print_table
from assets.cli.options import QUICKSTART_HOME
from assets.cli.program import find_program
from transforms.formats import GLUED, glue_estimates
from transforms.lake.history import read_table_history
from transforms.lake.lake import Lake
from transforms.views import headline
from transforms.views.query import run_report

WIDTH = 98
"""Most characters of a line of words; tables fit 100."""


def print_result(lake: Lake, home: Path, recipe: Path) -> None:
    """Print the result of a finished study, and write its figure.

    Args:
        lake: its lake.
        home: its folder; the figure is `iteration_progress.png`.
        recipe: its recipe, for the command of Dagster's UI.
    """
    results, selected = lake.read("evaluation_results"), lake.read("selected_policies")
    contrasts = run_report(lake, "selected_contrasts")
    tables = headline.tabulate_policies(results, selected)
    for decoding, table in tables.items():
        typer.secho(f"{decoding} responses to the evaluation prompts", bold=True)
        print_table(table)
        typer.echo()
    typer.echo(
        "± is one standard error, clustered by prompt. * is the policy selected on the validation\n"
        "prompts. Win rates and kl (nats) compare with the first policy of the loop; chars is the\n"
        "mean length of a response.\n"
    )
    sentences = headline.describe_contrasts(contrasts)
    if sentences:
        metric = headline.select_headline(contrasts)["metric"][0]
        typer.echo(f"Difference of {metric} (clear from {headline.CLEAR} standard errors on):")
    for line in [*sentences, *headline.note_better_iterations(results, selected)]:
        typer.echo(wrap_sentence(line))
    _plot_progress(lake, results, home / "iteration_progress.png")
    _print_next_commands(lake, home, recipe)


def wrap_sentence(text: str) -> str:
    """Wrap a sentence to `WIDTH`; a value stays on one line with its error."""
    lines = fill(glue_estimates(text), WIDTH, initial_indent="  ", subsequent_indent="    ")
    return lines.replace(GLUED, " ± ")


def _plot_progress(lake: Lake, results: pl.DataFrame, picture: Path) -> None:
    """Write the figure, unless it is newer than the results: a plot takes seconds."""
    if picture.exists():
        written = datetime.fromtimestamp(picture.stat().st_mtime, UTC)
        commits = read_table_history(lake, ["evaluation_results"])
        if commits.filter(pl.col("timestamp") >= written).is_empty():
            return
    from transforms.views.plots.progress import render_progress

    picture.write_bytes(render_progress(results))


def _print_next_commands(lake: Lake, home: Path, recipe: Path) -> None:
    """Print where the tables are, and commands that show more of a finished study."""
    program = find_program()
    own = lake.root == home / "lake"
    option = f" --home {shlex.quote(str(home))}" if own else f" --lake {lake.root}"
    if own and str(home) == QUICKSTART_HOME:
        option = ""  # their default
    ui = f"ui {shlex.quote(str(recipe))}" + option
    commands = {
        "one HTML file": f"report --html{option}",
        "errors and intervals": f"report selected_contrasts{option}",
        "SQL": f'sql{option} "from response_lengths"',
        "what the last policy was made from": f"lineage latest{option}",
        "the Dagster UI": ui,
    }
    typer.echo(f"\ntables: {lake.root}\nfigure: {home / 'iteration_progress.png'}\n")
    for purpose, command in commands.items():
        typer.echo(f"{program} {command}   # {purpose}")
