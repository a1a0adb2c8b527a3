"""Health of an iteration before its training: its row of `iteration_health`, and warnings.

Not here: the figures (`transforms.measures.health`), their bounds (`training.settings.health`).
"""

from typing import Any

import polars as pl

from assets.loop.chain import Chain, SliceKeys
from assets.materialize import Step, Warnings
from assets.metadata import picture, table_preview
from transforms.lake.lake import Lake
from transforms.measures import health
from transforms.views.plots.health import render_health


def health_warnings(chain: Chain) -> Warnings:
    """Return the checks that warn about the health of a chain."""

    def find(step: Step) -> dict[str, str]:
        [row] = step.lake.read(health.TABLE, **chain.slice(step)).to_dicts()
        return health.find_concerns(row, step.study.recipe.health.model_dump())

    return Warnings({one.check: one.description for one in health.WATCHED}, find)


def measure_health(lake: Lake, experiment: str, iteration: int) -> pl.DataFrame:
    """Measure the responses, scores and pairs of a slice: one row of `iteration_health`."""
    slice_ = SliceKeys(experiment=experiment, iteration=iteration)
    others = health.find_other_rewards(
        lake.scan("generations", iteration=iteration),
        lake.scan("scores", iteration=iteration),
        experiment,
    )
    return health.measure(
        lake.read("generations", **slice_),
        lake.read("scores", **slice_),
        lake.read("dpo_pairs", **slice_),
        others,
        lake.scan("generations", experiment=experiment, iteration=1)
        .select("prompt_id", "response_chars")
        .collect(),
    )


def record_health(step: Step, chain: Chain) -> dict[str, Any]:
    """Measure a chain's slice and write its row; return metadata for the asset's page."""
    lake, slice_ = step.lake, chain.slice(step)
    row = measure_health(lake, **slice_)
    lake.overwrite(health.TABLE, row, **slice_)
    so_far = lake.read(health.TABLE, experiment=slice_["experiment"])
    plot = render_health(so_far, step.study.recipe.health.model_dump())
    return {"health": table_preview(row), "health_so_far": picture(plot, "health")}
