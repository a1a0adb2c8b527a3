"""Accuracy of refreshed reward models: how often they order responses as the gold reward does.

Every reward model of an experiment is measured on held-out responses of all its policies. No label
is about these prompts. The asset exists if an experiment has feedback and the recipe has a gold
reward. Not here: the refresh (`assets.loop.feedback`).
"""

import dagster as dg
import polars as pl

from assets.declare import declare
from assets.loop.feedback import describe_given
from assets.loop.ranking.ranker import Ranker
from assets.loop.ranking.registry import find_ranker, find_refreshed_ranker
from assets.materialize import Made, Step
from assets.metadata import table_metadata, table_preview
from assets.study import Study
from training.settings.loop import LoopSettings
from transforms.lake.asset_names import iteration_asset
from transforms.lake.schemas import TABLES
from transforms.lake.schemas.table import SHARED
from transforms.measures.reward_accuracy import measure_refreshed_accuracy
from transforms.views.query import run_report


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the asset; none without feedback or without a gold reward."""
    loops = [study.loop(experiment) for experiment in study.recipe.experiments]
    with_feedback = [loop for loop in loops if loop.feedback]
    if not with_feedback or not study.recipe.gold:
        return []

    def find_models(loop: LoopSettings) -> list[Ranker]:
        """Return the reward models of an experiment in their order."""
        assets = [iteration_asset(t, "reward_model") for t in study.iterations]
        refreshed = [find_refreshed_ranker(study, loop, asset) for asset in assets]
        return [find_ranker(study, loop, study.recipe.find_refreshed(loop)), *refreshed]

    def list_assets(loop: LoopSettings) -> list[str]:
        return [asset for model in find_models(loop) for asset in model.assets]

    evaluations = ("baseline_evaluation", "evaluation", "prompts")

    @declare(
        study,
        "reward_refresh",
        group="evaluation",
        table=TABLES["reward_accuracy"],
        deps=tuple(
            dict.fromkeys(
                [*evaluations, *(name for loop in with_feedback for name in list_assets(loop))]
            )
        ),
        reads=lambda loop: (*evaluations, *list_assets(loop)),
        settings=lambda loop: {
            "dtype": study.recipe.model.dtype,
            **describe_given(find_models(loop)[0]),
        },
        partitioned=True,
        applies_to=lambda loop: loop.feedback is not None,
        accelerator=True,
        kinds=("deltalake", "pytorch"),
    )
    def reward_refresh(step: Step) -> Made:
        """The pairs are responses to one held-out prompt with different gold rewards."""
        rows = _read_sampled_responses(step)
        measured = []
        for refreshes, model in enumerate(find_models(step.loop)):
            rewards = model.score(step, rows, lambda part: None)
            measured.append(
                measure_refreshed_accuracy(
                    rows.with_columns(reward=rewards),
                    experiment=step.experiment,
                    reward_model=model.name,
                    reward_model_id=model.ranker_id(step),
                    refreshes=refreshes,
                )
            )
        table = pl.concat(measured)
        version = step.lake.overwrite("reward_accuracy", table, experiment=step.experiment)
        summary = run_report(step.lake, "reward_refresh").filter(experiment=step.experiment)
        return Made(
            f"reward_accuracy@{version}",
            {**table_metadata(table, version), "summary": table_preview(summary)},
        )

    return [reward_refresh]


def _read_sampled_responses(step: Step) -> pl.DataFrame:
    """Read the sampled held-out responses of π₀ and of all policies, with their prompts."""
    policies = {
        step.study.initial_policy: SHARED,
        **dict.fromkeys(step.study.policies, step.experiment),
    }
    rows = pl.concat(
        step.lake.read("evaluation_responses", experiment=experiment, model=policy)
        for policy, experiment in policies.items()
    )
    prompts = step.lake.read("prompts").select("prompt_id", "prompt")
    return rows.filter(decoding="sampled").join(prompts, on="prompt_id", maintain_order="left")
