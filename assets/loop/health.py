"""Health of an iteration before its training, and distance of its policies: rows, and warnings.

Not here: the figures (`transforms.measures.health`), their bounds (`training.settings.health`).
"""

from typing import Any

import polars as pl

from assets.loop.chain import Chain, SliceKeys
from assets.materialize import Step, Warnings
from assets.metadata import picture, table_preview
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import SHARED
from transforms.measures.health import statistics, watched


def health_warnings(chain: Chain) -> Warnings:
    """Return the checks that warn about the health of a chain."""

    def find(step: Step) -> dict[str, str]:
        [row] = step.lake.read(statistics.TABLE, **chain.slice(step)).to_dicts()
        return watched.find_concerns(row, step.study.recipe.health.model_dump())

    return Warnings({one.check: one.description for one in watched.WATCHED}, find)


def distance_warnings() -> Warnings:
    """Return the checks that warn about the policies of an evaluation."""

    def find(step: Step) -> dict[str, str]:
        results = step.lake.read("evaluation_results", experiment=step.experiment)
        bounds = step.study.recipe.health.model_dump()
        return watched.find_concerns(watched.find_farthest(results), bounds, watched.EVALUATED)

    return Warnings({one.check: one.description for one in watched.EVALUATED}, find)


def measure_health(
    lake: Lake, experiment: str, iteration: int, accuracies: pl.DataFrame
) -> pl.DataFrame:
    """Measure the responses, scores and pairs of a slice: one row of `iteration_health`.

    Args:
        lake: the lake.
        experiment: experiment of the slice.
        iteration: its iteration.
        accuracies: from `_read_accuracies`.
    """
    slice_ = SliceKeys(experiment=experiment, iteration=iteration)
    others = statistics.find_other_rewards(
        lake.scan("generations", iteration=iteration),
        lake.scan("scores", iteration=iteration),
        experiment,
    )
    return statistics.measure(
        lake.read("generations", **slice_),
        lake.read("scores", **slice_),
        lake.read("dpo_pairs", **slice_),
        others,
        lake.scan("generations", experiment=experiment, iteration=1)
        .select("prompt_id", "response_chars")
        .collect(),
        lake.read_or_empty("score_components", **slice_),
        accuracies,
    )


def _read_accuracies(step: Step, chain: Chain) -> pl.DataFrame:
    """Read the accuracies of a refreshed reward model, and of the one from before the loop.

    There are no rows without a refresh, and none of a reward model that the recipe brings.
    """
    refreshed = chain.refreshed(step.loop)
    if refreshed is None:
        return pl.DataFrame(schema=schema_of("evaluation_results"))
    first = step.study.recipe.find_refreshed(step.loop)
    return pl.concat(
        step.lake.read_or_empty(
            "evaluation_results",
            experiment=experiment,
            model=model,
            split="reward_validation",
            metric="pair_accuracy",
        )
        for model, experiment in ((first, SHARED), (refreshed, step.experiment))
    )


def record_health(step: Step, chain: Chain) -> dict[str, Any]:
    """Measure a chain's slice and write its row; return metadata for the asset's page."""
    from transforms.views.plots.health import render_health

    lake, slice_ = step.lake, chain.slice(step)
    row = measure_health(lake, **slice_, accuracies=_read_accuracies(step, chain))
    lake.overwrite(statistics.TABLE, row, **slice_)
    so_far = lake.read(statistics.TABLE, experiment=slice_["experiment"])
    plot = render_health(so_far, step.study.recipe.health.model_dump())
    return {"health": table_preview(row), "health_so_far": picture(plot, "health")}
