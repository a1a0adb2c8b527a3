"""The graph of a study: all its assets, built from its recipe without any data.

Not here: the study that Dagster loads (`assets.definitions`).
"""

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
from assets.logger import console_logger
from assets.loop import baselines, iterations, models
from assets.resources import LakeResource
from assets.run_locks import locked_executor
from assets.study import Study
from training.recipe import Recipe


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
