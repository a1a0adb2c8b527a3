"""The command line `prefloop`: run a recipe, print reports, open the page; and the other commands.

Lives here: `run`, `report`, `ui`. Not here: what asks or tends a lake (`assets.cli.commands`).

Heavy imports wait until a command needs them, so that `--help` answers at once.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from assets.cli.commands import (
    adaptive,
    benchmark,
    current,
    diff,
    health,
    label,
    lineage,
    maintain,
    page,
    pair,
    plan,
    reproduce,
    sql,
)
from assets.cli.options import QUICKSTART_HOME, Home, Overrides, RecipePath, explained
from assets.home import ROOT, default_home, open_lake, prepare_home
from transforms.errors import InputError

app = typer.Typer(
    help="Online iterative RLHF as a lakehouse. Start with: prefloop run recipes/quickstart.yaml",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

RUN_EXAMPLES = """
Examples:

\b
prefloop run recipes/quickstart.yaml
prefloop run recipes/quickstart.yaml --experiment concise --from-iteration 2
prefloop run recipes/quickstart.yaml --set loop.dpo.beta=0.05
prefloop run recipes/real_sources.yaml --until mixture_pairs
"""
REPORT_EXAMPLES = """
Examples:

\b
prefloop report                               # iteration_progress
prefloop report costs --home dagster_home/hh_rlhf_cpu
prefloop report selected_contrasts --home seed_0 --home seed_1
prefloop report experiment_outcomes --over-seeds --home seed_0 --home seed_1 --home seed_2
"""
UI_EXAMPLES = """
Examples:

\b
prefloop ui recipes/quickstart.yaml --port 3001
"""


@app.command(epilog=RUN_EXAMPLES)
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
    from assets.cli.run import run_study

    with explained():
        run_study(recipe, experiment or [], from_iteration, until or [], home, overrides or [])


@app.command(epilog=REPORT_EXAMPLES)
def report(
    name: Annotated[
        str, typer.Argument(help="A file of sql/reports, without .sql.")
    ] = "iteration_progress",
    home: Annotated[
        list[Path] | None,
        typer.Option(help="Folder that `prefloop run` named; repeat to stack several lakes."),
    ] = None,
    seeds: Annotated[
        bool,
        typer.Option(
            "--over-seeds",
            help="Average the lakes, which are of one recipe's seeds: mean ± standard error "
            "between seeds, and in brackets the mean of the lakes' own errors.",
        ),
    ] = False,
    form: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="How rows are written.")
    ] = "table",
) -> None:
    """Print a report of sql/reports, over one lake or several."""
    import polars as pl

    from assets.cli.output import write_frame
    from transforms.lake import query
    from transforms.measures.seeds import over_seeds, require_other_seeds

    with explained():
        if name not in query.reports():
            raise InputError(
                "no such report",
                expected=", ".join(query.reports()),
                found=name,
                remedy="name one of them",
            )
        homes = home or [QUICKSTART_HOME]
        lakes = [open_lake(folder) for folder in homes]
        if seeds:
            require_other_seeds(lakes)
        tables = []
        for folder, lake in zip(homes, lakes, strict=True):
            with query.connect(lake) as connection:
                rows = query.report(connection, name)
            stacked = len(homes) > 1 and not seeds
            tables.append(
                rows.select(pl.lit(folder.name).alias("lake"), pl.all()) if stacked else rows
            )
        found = over_seeds(tables) if seeds else pl.concat(tables)
    write_frame(found, form)


@app.command(epilog=UI_EXAMPLES)
def ui(
    recipe: RecipePath = ROOT / "recipes" / "quickstart.yaml",
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000,
    home: Home = None,
    overrides: Overrides = None,
) -> None:
    """Open the Dagster page of a study on http://127.0.0.1:3000 (lineage, runs, backfills)."""
    from training.recipe_file import load_recipe

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


app.command(epilog=sql.EXAMPLES)(sql.sql)
app.command(epilog=benchmark.EXAMPLES)(benchmark.benchmark)
app.command(epilog=current.EXAMPLES)(current.current)
app.command(epilog=health.EXAMPLES)(health.health)
app.command(epilog=lineage.EXAMPLES)(lineage.lineage)
app.command(epilog=diff.EXAMPLES)(diff.diff)
app.command(epilog=pair.EXAMPLES)(pair.pair)
app.command(epilog=adaptive.EXAMPLES)(adaptive.adaptive)
app.command(epilog=reproduce.EXAMPLES)(reproduce.reproduce)
app.command(epilog=maintain.EXAMPLES)(maintain.maintain)
app.command(epilog=plan.EXAMPLES)(plan.plan)
app.command(epilog=page.EXAMPLES)(page.page)
app.add_typer(label.label, name="label")
