"""The command `prefloop health`: reward hacking and length at a glance, for any lake."""

from pathlib import Path
from typing import Annotated

import typer

from assets.cli.options import QUICKSTART_HOME, LakeHome, explained
from assets.home import open_lake
from transforms.errors import InputError

EXAMPLES = """
Examples:

\b
prefloop health                           # the quickstart's slices, and what is beyond a bound
prefloop health --home dagster_home/llama3_8b --recipe recipes/llama3_8b.yaml --plot health.png
prefloop sql "from iteration_health"      # as it was measured before each training
"""


def health(
    home: LakeHome = QUICKSTART_HOME,
    recipe: Annotated[
        Path | None,
        typer.Option(help="Recipe whose bounds (`health`) are taken; else the default."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="PNG file to draw the figures into.")] = None,
) -> None:
    """Measure every slice of the loop: length, repetition, refusals, another ranker's view."""
    import polars as pl

    from assets.cli.console import print_table
    from assets.loop.health import measure_health
    from training.recipe_file import load_recipe
    from training.settings.health import HealthSettings
    from transforms.measures.health import concerns
    from transforms.views.plots.health import draw_health

    with explained():
        bounds = (load_recipe(recipe).health if recipe else HealthSettings()).model_dump()
        lake = open_lake(home)
        if not lake.exists("dpo_pairs"):
            raise InputError(
                "nothing can be measured",
                expected="a lake with responses, scores and pairs",
                found=f"tables {', '.join(lake.tables())}",
                remedy="run an iteration first",
            )
        slices = lake.read("dpo_pairs").select("experiment", "iteration").unique()
        rows = pl.concat(
            measure_health(lake, *one) for one in slices.sort("experiment", "iteration").iter_rows()
        )
        if plot is not None:
            plot.write_bytes(draw_health(rows, bounds))
    print_table(rows)
    for row in rows.iter_rows(named=True):
        for concern in concerns(row, bounds).values():
            typer.echo(f"warning  {row['experiment']}/{row['iteration']}: {concern}")
