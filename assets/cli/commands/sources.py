"""The command `prefloop sources`: the catalogue, and the entries that fit a file."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assets.cli.options import exit_on_bad_input

if TYPE_CHECKING:
    from transforms.lake.schemas.table import DataType
    from transforms.prompts.trials import Trial
    from transforms.sources.intake.fits import Fit

EXAMPLES = """
Examples:

\b
prefloop sources                     # all entries with their columns
prefloop sources pairs.jsonl         # the entries that fit this file
"""

TRIED_ENTRIES = 8
"""Entries that are tried on the rows of a file."""
NEAR_ENTRIES = 5


def sources(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...", help="Files of one source, or a folder.", show_default=False
        ),
    ] = None,
) -> None:
    """List the entries of the catalogue, or those that fit a file, tried on its first rows."""
    from transforms.prompts.trials import TRIED_ROWS, try_entry
    from transforms.sources.files.file_columns import read_columns
    from transforms.sources.intake.fits import find_fits

    if not files:
        _print_catalogue()
        return
    with exit_on_bad_input():
        paths = tuple(map(str, files))
        columns = read_columns(paths)
        found = find_fits(columns)
        fitting = [one for one in found if not one.missing]
        trials = [trial for one in fitting[:TRIED_ENTRIES] for trial in try_entry(one.entry, paths)]
        if trials and trials[0].error and all(one.error for one in trials):
            raise trials[0].error
    typer.echo(f"{files[0]} has the columns {_list_columns(columns.types)}\n")
    share = {one.entry: 0.0 for one in trials}
    for one in trials:
        share[one.entry] = max(share[one.entry], one.kept / max(1, one.rows))
    trials.sort(key=lambda one: -share[one.entry])
    if trials:
        typer.echo(f"Entries with these columns, tried on the first {TRIED_ROWS} rows:")
        _print_trials(trials)
    else:
        typer.echo("No entry has these columns.")
    if near := [one for one in found if one.missing][:NEAR_ENTRIES]:
        typer.echo("\nEntries that lack columns:")
        _print_near(near)
    if trials and share[trials[0].entry]:
        best = [one for one in trials if one.entry == trials[0].entry and one.kept]
        typer.echo(f"\nIn a recipe:\n\n{_format_recipe(best, paths)}")


def _print_catalogue() -> None:
    from transforms.sources.catalog import CATALOGUE

    rows = [
        (
            name,
            "\n".join(entry.layouts),
            _list_columns(entry.native, entry.optional)
            + (f"\n{entry.hub_id}" if entry.hub_id else "")
            + f"\n{_shorten(entry.facts)}",
        )
        for name, entry in CATALOGUE.items()
    ]
    _print_rows(("entry", "roles", "columns (? optional), dataset, facts"), rows, lines=True)
    typer.echo(f"{len(CATALOGUE)} entries")


def _print_trials(trials: Sequence["Trial"]) -> None:
    rows = [(one.entry, one.role, f"{one.kept} of {one.rows}", one.reason) for one in trials]
    _print_rows(("entry", "role", "kept", "most dropped as"), rows)


def _print_near(near: Sequence["Fit"]) -> None:
    _print_rows(("entry", "lacks"), [(one.entry, ", ".join(one.missing)) for one in near])


def _print_rows(
    names: Sequence[str], rows: Sequence[Sequence[str]], *, lines: bool = False
) -> None:
    """Print a table whose last column wraps."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_edge=False, pad_edge=False, box=box.SIMPLE_HEAD, show_lines=lines)
    for name in names[:-1]:
        table.add_column(name, no_wrap=True)
    table.add_column(names[-1], overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _list_columns(types: Mapping[str, "DataType"], optional: Sequence[str] = ()) -> str:
    from transforms.lake.schemas.table import type_name

    return ", ".join(
        f"{name}{'?' if name in optional else ''}: {type_name(dtype)}"
        for name, dtype in types.items()
    )


def _shorten(facts: str) -> str:
    """Return the first sentence."""
    return facts.split(". ")[0].rstrip(".") + "."


def _format_recipe(roles: Sequence["Trial"], files: Sequence[str]) -> str:
    return (
        f"sources:\n  my_source:\n    entry: {roles[0].entry}\n"
        f"    roles: [{', '.join(one.role for one in roles)}]\n"
        f"    files: {json.dumps(files, ensure_ascii=False)}"
    )
