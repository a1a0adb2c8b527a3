"""The loop, unrolled: iteration t samples from the policy of t - 1, scores, pairs, and trains.

Dagster refuses an edge between partitions of the same assets, so every iteration has assets of its
own, and the lineage graph shows the whole loop. The baseline `one_shot` is the same chain drawn
once from pi_0 over the prompts of all iterations. Paper: Algorithm 1 and section 3.3.
"""

import dagster as dg

from assets.chain import Chain, build_tables
from assets.feedback import build_feedback
from assets.materialize import declare
from assets.samplers import kept_shares
from assets.steps import Made, Step
from assets.study import Study
from assets.training_run import train
from training.settings import DPOSettings, LoopSettings
from transforms.ranking import responses
from transforms.tables import checkpoints


def build_iteration(study: Study, iteration: int) -> list[dg.AssetsDefinition]:
    """Build the assets of iteration t, an experiment a partition."""
    previous = f"iteration_{iteration - 1}/policy" if iteration > 1 else "sft_policy"
    chain = Chain(f"iteration_{iteration}", iteration, (f"iteration_{iteration}",), previous, True)
    return [
        *build_feedback(study, chain),
        *build_tables(study, chain),
        _build_policy(study, chain),
    ]


def build_one_shot(study: Study) -> list[dg.AssetsDefinition]:
    """Build the baseline that samples every prompt once, from pi_0."""
    splits = tuple(f"iteration_{t}" for t in study.iterations)
    chain = Chain("one_shot", 1, splits, "sft_policy", False)
    return [*build_tables(study, chain), _build_policy(study, chain)]


def _build_policy(study: Study, chain: Chain) -> dg.AssetsDefinition:
    earlier = (
        [f"iteration_{t}/dpo_pairs" for t in range(1, chain.iteration)] if chain.partitioned else []
    )

    def dpo(loop: LoopSettings) -> DPOSettings:
        """Settings of the training, which keeps the steps that the next iteration samples."""
        sampled = chain.partitioned and chain.iteration < study.recipe.loop.iterations
        return loop.dpo.keeping(kept_shares(loop)) if sampled else loop.dpo

    @declare(
        study,
        chain.asset("policy"),
        group=chain.group,
        # Earlier pairs are inputs only where they are replayed; the edge is for all experiments.
        deps=tuple(
            dict.fromkeys(
                [
                    chain.asset("dpo_pairs"),
                    *(earlier if _any_accumulates(study) else []),
                    chain.sampled_policy,
                    "sft_policy",
                ]
            )
        ),
        settings=lambda loop: {
            "dpo": dpo(loop).decisive(),
            "reference": loop.reference,
            "start": loop.start,
            "data": loop.data,
            **study.model_settings,
        },
        partitioned=chain.partitioned,
        accelerator=True,
        kinds=("pytorch", "trl"),
        description=f"Policy: trained with DPO on {chain.asset('dpo_pairs')}, from "
        f"{chain.sampled_policy} (setting `start`) against pi_0 (setting `reference`).",
    )
    def policy(step: Step) -> Made:
        initial = checkpoints.latest(step.lake, "sft_policy", step.experiment)
        previous = checkpoints.latest(step.lake, chain.sampled_policy, step.experiment)
        first = 1 if step.loop.data == "accumulated" else chain.iteration
        rows = responses.pairs_between(step.lake, **chain.slice(step), first_iteration=first)
        start = previous if step.loop.start == "previous" else initial
        return train(
            study,
            step,
            "dpo",
            rows,
            dpo(step.loop),
            parent=start,
            start=start,
            reference=initial if step.loop.reference == "initial" else previous,
            iteration=chain.iteration if chain.partitioned else 0,
        )

    return policy


def _any_accumulates(study: Study) -> bool:
    loops: list[LoopSettings] = [study.loop(experiment) for experiment in study.recipe.experiments]
    return any(loop.data == "accumulated" for loop in loops)
