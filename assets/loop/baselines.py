"""The baselines offline DPO and one-shot DPO, with as many optimiser steps as the loop."""

import dagster as dg

from assets.declare import declare
from assets.loop import iterations
from assets.loop.left_out import example_warnings
from assets.loop.train import train
from assets.materialize import Made, Step, Warnings
from assets.study import Study
from transforms.lake.asset_names import OFFLINE
from transforms.prompts import rows_by_split

CHECK = "pairs_are_not_repeated"
MOST_PASSES = 4
"""Passes over its pairs from which offline DPO is a doubtful baseline. The paper trains for 2."""


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the assets of the baselines; without preference pairs there is no offline DPO."""
    one_shot = iterations.build_one_shot(study)
    return [_build_offline(study), *one_shot] if study.recipe.has_pairs else one_shot


def find_repeats(steps: int, batch_size: int, pairs: int) -> str | None:
    """Return a sentence if a baseline reads its pairs more than `MOST_PASSES` times, else None."""
    passes = steps * batch_size / pairs
    if passes <= MOST_PASSES:
        return None
    return (
        f"it reads each of its {pairs:,} pairs {passes:.1f} times, because it has as many optimiser"
        " steps as the loop: a lower result may be that of too many passes; add pairs, or compare"
        " with fewer prompts per iteration"
    )


def _repeat_warnings() -> Warnings:
    def find(step: Step) -> dict[str, str]:
        from training.runs.run_record import read_run  # it imports torch

        run = read_run(step.model(OFFLINE).path)
        repeats = find_repeats(run.steps, step.loop.dpo.batch_size, run.examples)
        return {CHECK: repeats} if repeats else {}

    return Warnings({CHECK: f"Passes when no pair is read more than {MOST_PASSES} times."}, find)


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
        warnings=[example_warnings(), _repeat_warnings()],
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
