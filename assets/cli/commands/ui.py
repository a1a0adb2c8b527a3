"""The command `prefloop ui`: the Dagster page of a study."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from assets.cli.options import Home, LakePlace, Overrides, RecipePath, exit_on_bad_input
from assets.home import ROOT, default_home, place_lake, prepare_home

EXAMPLES = """
Examples:

\b
prefloop ui recipes/quickstart.yaml --port 3001
"""


def ui(
    recipe: RecipePath = ROOT / "recipes" / "quickstart.yaml",
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000,
    home: Home = None,
    lake: LakePlace = None,
    overrides: Overrides = None,
) -> None:
    """Start the Dagster page of a study: lineage, runs, backfills, at http://127.0.0.1:3000."""
    from dagster import DagsterInstance
    from filelock import FileLock

    from assets.run_locks import release_dead_runs
    from training.recipe_file import load_recipe

    with exit_on_bad_input():
        folder = prepare_home(home or default_home(load_recipe(recipe, overrides or []).name))
    os.environ["DAGSTER_HOME"] = str(folder)
    with FileLock(folder / "instance.lock"), DagsterInstance.get() as instance:
        release_dead_runs(instance, folder)  # the page starts no run beside an unfinished one
    environment = {
        **os.environ,
        "PREFLOOP_RECIPE": str(recipe.resolve()),
        "PREFLOOP_OVERRIDES": json.dumps(overrides or []),
        "PREFLOOP_LAKE": str(place_lake(folder, lake)),
    }
    dg = str(Path(sys.executable).with_name("dg"))
    command = [dg, "dev", "--host", "127.0.0.1", "--port", str(port)]
    raise typer.Exit(subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode)
