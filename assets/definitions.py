"""The code location of Dagster: all assets of one study, built from its recipe without any data.

`PREFLOOP_RECIPE`, `PREFLOOP_OVERRIDES` (a JSON list of key=value) and `PREFLOOP_LAKE` select the
study and its lake. The default is the quickstart, with its lake in `dagster_home`.
"""

import json
import os
from pathlib import Path

import dagster as dg

from assets import jobs, reports
from assets.data import preferences, sources, statistics
from assets.evaluation import (
    benchmarks,
    held_out,
    length_bias,
    length_control,
    promotion,
    reward_bench,
    reward_refresh,
)
from assets.home import ROOT, default_home
from assets.logger import console_logger
from assets.loop import baselines, iterations, models
from assets.resources import LakeResource
from assets.run_locks import locked_executor
from assets.study import Study
from training.recipe import Recipe
from training.recipe_file import load_recipe


def build_definitions(recipe: Recipe, lake: Path | str) -> dg.Definitions:
    """Build the graph of a study.

    Args:
        recipe: the study's settings; `loop.iterations` and `experiments` shape the graph.
        lake: root of its lake.
    """
    study = Study(recipe)
    measured = benchmarks.build(study)
    assets = [
        *sources.build(study),
        *preferences.build(study),
        *models.build(study),
        *statistics.build(study),
        *length_bias.build(study),
        *baselines.build(study),
        *(asset for t in study.iterations for asset in iterations.build_iteration(study, t)),
        *held_out.build(study),
        *length_control.build(study),
        *measured,
        *promotion.build(study),
        *benchmarks.build_reports(study, measured),
        *reward_refresh.build(study),
        *reports.build(study),
        *reward_bench.build(study),
    ]
    return dg.Definitions.merge(
        dg.Definitions(
            assets=assets,
            resources={"lake": LakeResource(root=str(lake))},
            loggers={"console": console_logger},
            executor=locked_executor,
        ),
        jobs.build(study),
    )


def _from_environment() -> dg.Definitions:
    recipe = load_recipe(
        os.environ.get("PREFLOOP_RECIPE", ROOT / "recipes" / "quickstart.yaml"),
        json.loads(os.environ.get("PREFLOOP_OVERRIDES", "[]")),
    )
    return build_definitions(
        recipe, os.environ.get("PREFLOOP_LAKE", default_home(recipe.name) / "lake")
    )


defs = _from_environment()
