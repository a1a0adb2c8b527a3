"""The loop, unrolled: iteration t samples from the policy of t - 1, scores, pairs, and trains.

Dagster refuses an edge between partitions of the same assets, so every iteration has assets of its
own, and the lineage graph shows the whole loop. The baseline `one_shot` is the same chain drawn
once from pi_0 over the prompts of all iterations. Paper: Algorithm 1 and section 3.3.
"""

import dagster as dg

from assets.declare import declare
from assets.loop.chain import Chain
from assets.loop.feedback import build_feedback
from assets.loop.objectives import read_assets, recorded_settings, train_policy
from assets.loop.tables import build_tables
from assets.materialize import Made, Step
from assets.study import Study
from training.settings.loop import LoopSettings
from transforms.lake.schemas.columns import SHARED


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
    experiments = study.recipe.experiments if chain.partitioned else [SHARED]

    def reads(loop: LoopSettings) -> list[str]:
        return read_assets(study, chain, loop)

    @declare(
        study,
        chain.asset("policy"),
        group=chain.group,
        # what any experiment's objective reads; the edges are for all experiments
        deps=tuple(dict.fromkeys(name for e in experiments for name in reads(study.loop(e)))),
        reads=reads,
        settings=lambda loop: recorded_settings(study, chain, loop),
        partitioned=chain.partitioned,
        accelerator=True,
        kinds=("pytorch", "trl"),
        description=f"Policy: trained by the experiment's objective (DPO on "
        f"{chain.asset('dpo_pairs')} by default) from {chain.sampled_policy} (setting `start`) "
        "against pi_0 (setting `reference`).",
    )
    def policy(step: Step) -> Made:
        return train_policy(study, step, chain)

    return policy
