"""The code location of Dagster: the graph of one study.

`PREFLOOP_RECIPE`, `PREFLOOP_OVERRIDES` (a JSON list of key=value) and `PREFLOOP_LAKE` select the
study and its lake. The default is the quickstart, with its lake in `dagster_home`.
"""

import json
import os

import dagster as dg

from assets.graph import build_definitions
from assets.home import ROOT, default_home
from training.recipe_file import load_recipe


def _from_environment() -> dg.Definitions:
    recipe = load_recipe(
        os.environ.get("PREFLOOP_RECIPE", ROOT / "recipes" / "quickstart.yaml"),
        json.loads(os.environ.get("PREFLOOP_OVERRIDES", "[]")),
    )
    return build_definitions(
        recipe, os.environ.get("PREFLOOP_LAKE", default_home(recipe.name) / "lake")
    )


defs = _from_environment()
