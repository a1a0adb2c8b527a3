"""The command line `prefloop`: run a recipe, query the lake, print reports, open the page.

Heavy imports wait until a command needs them, so that `--help` answers at once.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from assets.home import ROOT, default_home, open_lake, prepare_home
from transforms.errors import InputError

app = typer.Typer(
    help="Online iterative RLHF as a lakehouse. Start with: prefloop run recipes/quickstart.yaml",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

RecipePath = Annotated[
    Path, typer.Argument(help="Recipe: one YAML file, one study.", show_default=False)
]
Home = Annotated[
    Path | None,
    typer.Option(help="Folder of lake and run history; dagster_home/<recipe name> by default."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Setting laid over the recipe, e.g. --set loop.dpo.beta=0.05 or --set seed=1."
    ),
]
LakeHome = Annotated[
    Path, typer.Option("--home", help="Folder that `prefloop run` named.", envvar="PREFLOOP_HOME")
]
QUICKSTART_HOME = default_home("quickstart")


@app.command()
def run(
    recipe: RecipePath,
    experiment: Annotated[
        list[str] | None,
        typer.Option(help="Experiment to run; repeat for several. All by default."),
    ] = None,
    from_iteration: Annotated[
        int | None,
        typer.Option(help="Do this iteration and all after it again, even where nothing changed."),
    ] = None,
    until: Annotated[
        list[str] | None,
        typer.Option(
            help="Stop at this asset: run it and what it needs, print it if it is a report."
        ),
    ] = None,
    home: Home = None,
    overrides: Overrides = None,
) -> None:
    """Run what is missing or out of date: data, models, iterations, evaluation, reports."""
    from assets.run import run_study

    with explained():
        run_study(recipe, experiment or [], from_iteration, until or [], home, overrides or [])


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="A query, or the path of a .sql file.")],
    home: LakeHome = QUICKSTART_HOME,
) -> None:
    """Query the lake with DuckDB, read only. Tables are views: `show tables` lists them."""
    from assets.console import print_table
    from transforms.tables import query as queries

    with explained(), queries.connect(open_lake(home)) as connection:
        text = Path(query).read_text(encoding="utf-8") if query.endswith(".sql") else query
        print_table(queries.query(connection, text))


@app.command()
def report(
    name: Annotated[
        str, typer.Argument(help="A file of sql/reports, without .sql.")
    ] = "iteration_progress",
    home: Annotated[
        list[Path] | None,
        typer.Option(help="Folder that `prefloop run` named; repeat to stack several lakes."),
    ] = None,
) -> None:
    """Print a report of sql/reports, over one lake or several."""
    import polars as pl

    from assets.console import print_table
    from transforms.tables import query

    with explained():
        if name not in query.reports():
            raise InputError(
                "no such report",
                expected=", ".join(query.reports()),
                found=name,
                remedy="name one of them",
            )
        tables = []
        homes = home or [QUICKSTART_HOME]
        for folder in homes:
            with query.connect(open_lake(folder)) as connection:
                rows = query.report(connection, name)
            tables.append(
                rows.select(pl.lit(folder.name).alias("lake"), pl.all()) if len(homes) > 1 else rows
            )
        print_table(pl.concat(tables))


@app.command()
def ui(
    recipe: RecipePath = ROOT / "recipes" / "quickstart.yaml",
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000,
    home: Home = None,
    overrides: Overrides = None,
) -> None:
    """Open the Dagster page of a study on http://127.0.0.1:3000 (lineage, runs, backfills)."""
    from training.recipe import load_recipe

    with explained():
        folder = prepare_home(home or default_home(load_recipe(recipe, overrides or []).name))
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(folder),
        "PREFLOOP_RECIPE": str(recipe.resolve()),
        "PREFLOOP_OVERRIDES": json.dumps(overrides or []),
        "PREFLOOP_LAKE": str(folder / "lake"),
    }
    dg = str(Path(sys.executable).with_name("dg"))
    command = [dg, "dev", "--host", "127.0.0.1", "--port", str(port)]
    raise typer.Exit(subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode)


class explained:  # noqa: N801 - reads as a word where it is used
    """Print an `InputError` as a message, without a traceback, and exit with 2."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Turn bad input into exit code 2."""
        if isinstance(error, InputError):
            typer.secho(f"prefloop: {error}", fg=typer.colors.RED, err=True)
            raise typer.Exit(2) from None
