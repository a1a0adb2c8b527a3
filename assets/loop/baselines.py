"""The baselines offline DPO and one-shot DPO, with as many optimiser steps as the loop."""

import dagster as dg

from assets.declare import declare
from assets.loop import iterations
from assets.loop.left_out import example_warnings
from assets.loop.train import train
from assets.materialize import Made, Step
from assets.study import Study
from transforms.lake.asset_names import OFFLINE
from transforms.prompts import rows_by_split


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the assets of the baselines; without preference pairs there is no offline DPO."""
    one_shot = iterations.build_one_shot(study)
    return [_build_offline(study), *one_shot] if study.recipe.has_pairs else one_shot


def _build_offline(study: Study) -> dg.AssetsDefinition:
    @declare(
        study,
        OFFLINE,
        group="baselines",
        deps=(study.initial_policy, "preference_pairs", "mixture_pairs", "prompt_splits"),
        settings=lambda loop: {
            "dpo": loop.dpo.dump_decisive(),
            "mixture": study.recipe.offline_mixture,
            **study.model_settings,
        },
        warnings=[example_warnings()],
        accelerator=True,
        kinds=("pytorch", "trl"),
    )
    def offline_dpo(step: Step) -> Made:
        """Policy: DPO from π₀ on the offline preference pairs, whose responses are not its own.

        The paper's vanilla DPO. It has as many optimiser steps as all iterations together would
        have with one pair per prompt.
        """
        policy = step.model(study.initial_policy)
        keys = rows_by_split.list_training_pairs(step.lake, study.recipe.offline_mixture)
        pairs = rows_by_split.read_pairs(step.lake, keys)
        prompts = rows_by_split.count_iteration_prompts(step.lake.read("prompt_splits"))
        settings = step.loop.dpo.adapt_to_offline(prompts)
        return train(step, "dpo", pairs, settings, start=policy, reference=policy)

    return offline_dpo
