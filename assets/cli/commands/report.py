"""The command `prefloop report`: a report of sql/reports for one lake or several."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from assets.cli.files import refuse_unwritable
from assets.cli.options import QUICKSTART_HOME, LakeHomes, exit_on_bad_input
from assets.home import name_lake, open_lake
from transforms.errors import InputError
from transforms.unknown_names import refuse_unknown

if TYPE_CHECKING:
    import polars as pl

    from transforms.lake.lake import Lake

EXAMPLES = """
Examples:

\b
prefloop report                               # iteration_progress
prefloop report --list                        # all reports
prefloop report --html                        # one HTML file about everything
prefloop report --html --output seeds.html --home seed_0 --home seed_1
prefloop report stage_costs --home dagster_home/hh_rlhf_cpu
prefloop report iteration_health --plot health.png
prefloop report current_policy                # the last promotion
prefloop report selected_contrasts --home seed_0 --home seed_1
prefloop report experiment_outcomes --over-seeds --home seed_0 --home seed_1
"""


def report(
    name: Annotated[
        str, typer.Argument(help="A file of sql/reports, without .sql.")
    ] = "iteration_progress",
    home: LakeHomes = None,
    seeds: Annotated[
        bool,
        typer.Option(
            "--over-seeds",
            help="Average lakes of one recipe with different seeds: mean ± standard error "
            "between seeds, and in brackets the mean error within a lake.",
        ),
    ] = False,
    form: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="Format of the rows.")
    ] = "table",
    plot: Annotated[
        Path | None,
        typer.Option(help="PNG file for the report's figure; for one lake only."),
    ] = None,
    html: Annotated[
        bool,
        typer.Option(
            "--html", help="Write an HTML file about the whole lake instead; it opens offline."
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="The file of --html; by default report.html in the study's folder."),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the reports.")] = False,
    recipe: Annotated[
        Path | None,
        typer.Option(help="Recipe with the bounds (`health`) for iteration_health."),
    ] = None,
) -> None:
    """Print a report of sql/reports for one lake or several."""
    import polars as pl

    from assets.cli.output import write_frame
    from training.recipe_file import load_recipe
    from training.settings.health import HealthSettings
    from transforms.measures.health.statistics import TABLE
    from transforms.measures.seeds import average_over_seeds, require_different_seeds
    from transforms.views import query, statements
    from transforms.views.empty_reports import explain_empty

    if listed:
        _list_reports()
        return
    with exit_on_bad_input():
        if html:
            from assets.cli.html_report import write_report

            file = write_report(home or [QUICKSTART_HOME], output)
            typer.echo(f"{file} ({file.stat().st_size / 1e6:.1f} MB)")
            return
        if name not in statements.list_reports():
            remedy = "prefloop report --list describes them"
            raise refuse_unknown("report", [name], statements.list_reports(), remedy)
        bounds = (load_recipe(recipe).health if recipe else HealthSettings()).model_dump()
        homes = home or [QUICKSTART_HOME]
        lakes = [open_lake(folder) for folder in homes]
        if seeds:
            require_different_seeds(lakes)
        names = statements.find_names("reports", [name])
        tables, empty = [], {}
        for folder, lake in zip(homes, lakes, strict=True):
            with query.connect(lake, names=names) as connection:
                rows = query.report(connection, name)
                if rows.is_empty():
                    empty[folder] = explain_empty(connection, name)
            stacked = len(homes) > 1 and not seeds
            tables.append(
                rows.select(pl.lit(name_lake(folder)).alias("lake"), pl.all()) if stacked else rows
            )
        found = average_over_seeds(tables) if seeds else pl.concat(tables)
        if plot is not None:
            picture = _plot(name, lakes, found, bounds)
            with refuse_unwritable(plot):
                plot.write_bytes(picture)
    write_frame(found, form)
    for folder, reason in empty.items():
        typer.echo(f"{folder}: {reason}" if len(homes) > 1 else reason, err=True)
    if name == TABLE and not seeds:
        _print_warnings(found, bounds)


def _list_reports() -> None:
    """Print the name of each report and the first sentence about it."""
    from transforms.views.statements import list_reports, read_description

    for name in list_reports():
        typer.secho(name, bold=True)
        typer.echo(f"  {read_description('reports', name).partition('. ')[0].rstrip('.')}.")


def _plot(
    name: str, lakes: list["Lake"], rows: "pl.DataFrame", bounds: Mapping[str, float | None]
) -> bytes:
    """Plot a report of one lake.

    Raises:
        InputError: there are several lakes, or the report has no figure.
    """
    from assets.reports import FIGURES
    from transforms.measures.health.statistics import TABLE
    from transforms.views.plots.health import render_health

    plots = {name: figure.plot for name, figure in FIGURES.items()}
    plots[TABLE] = lambda _, rows: render_health(rows, bounds)
    if name not in plots or len(lakes) > 1:
        raise InputError(
            "this report cannot be plotted",
            expected=f"one lake, and one of the reports {', '.join(plots)}",
            found=f"{name} of {len(lakes)} lakes",
            remedy="remove --plot, or use `prefloop report --html`",
        )
    return plots[name](lakes[0], rows)


def _print_warnings(rows: "pl.DataFrame", bounds: Mapping[str, float | None]) -> None:
    """Print the figures of `iteration_health` that exceed a bound, on standard error."""
    from transforms.measures.health.watched import find_concerns

    for row in rows.iter_rows(named=True):
        lake = f"{row['lake']}: " if "lake" in row else ""
        for concern in find_concerns(row, bounds).values():
            typer.echo(
                f"warning  {lake}{row['experiment']}/{row['iteration']}: {concern}", err=True
            )
