"""Warnings before an iteration is trained: its health, measured, and what is beyond a bound.

Lives here: the table `iteration_health`, the checks that warn. Not here: the figures
(`transforms.measures.health`), the bounds (`training.settings.health`).
"""

from typing import Any

import polars as pl

from assets.loop.chain import Chain
from assets.materialize import Step, Watch
from assets.metadata import picture, table_preview
from assets.study import Study
from transforms.lake.lake import Lake
from transforms.measures import health
from transforms.views.plots.health import draw_health


def watch_health(study: Study, chain: Chain) -> Watch:
    """Build the checks that warn of a chain's pairs."""
    bounds = study.recipe.health.model_dump()

    def look(step: Step) -> dict[str, str]:
        [row] = step.lake.read(health.TABLE, **chain.slice(step)).to_dicts()
        return health.concerns(row, bounds)

    return Watch({one.check: one.description for one in health.WATCHED}, look)


def measure_health(lake: Lake, experiment: str, iteration: int) -> pl.DataFrame:
    """Measure a slice that has responses, scores and pairs; one row of `iteration_health`."""
    slice_ = {"experiment": experiment, "iteration": iteration}
    others = health.second_opinions(
        lake.scan("generations", iteration=iteration),
        lake.scan("scores", iteration=iteration),
        experiment,
    )
    tables = ("generations", "scores", "dpo_pairs")
    return health.measure(*(lake.read(table, **slice_) for table in tables), others)


def record_health(study: Study, lake: Lake, experiment: str, iteration: int) -> dict[str, Any]:
    """Measure a slice and write its row; what the asset's page shows of it."""
    row = measure_health(lake, experiment, iteration)
    lake.overwrite(health.TABLE, row, experiment=experiment, iteration=iteration)
    so_far = lake.read(health.TABLE, experiment=experiment)
    plot = draw_health(so_far, study.recipe.health.model_dump())
    return {"health": table_preview(row), "health_so_far": picture(plot, "health")}
