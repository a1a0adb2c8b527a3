"""The unrolled loop: the assets of every iteration, and of the baseline `one_shot`.

Iteration t samples from the policy of t - 1, scores, pairs, and trains. Dagster refuses an edge
between partitions of the same assets, so every iteration has its own assets, and the lineage graph
shows the whole loop. `one_shot` is one such chain, from π₀ over the prompts of all iterations.
Paper: Algorithm 1 and section 3.3.
"""

import dagster as dg

from assets.loop.chain import Chain
from assets.loop.feedback import build_feedback
from assets.loop.policy import build_policy
from assets.loop.tables import build_tables
from assets.study import Study
from transforms.lake.asset_names import iteration_asset, iteration_name


def build_iteration(study: Study, iteration: int) -> list[dg.AssetsDefinition]:
    """Build the assets of iteration t; every experiment is a partition of them."""
    name, initial = iteration_name(iteration), study.initial_policy
    previous = iteration_asset(iteration - 1, "policy") if iteration > 1 else initial
    chain = Chain(name, iteration, (name,), previous, initial, partitioned=True)
    return [
        *build_feedback(study, chain),
        *build_tables(study, chain),
        build_policy(study, chain),
    ]


def build_one_shot(study: Study) -> list[dg.AssetsDefinition]:
    """Build the baseline that samples every prompt once, from π₀."""
    splits = tuple(iteration_name(t) for t in study.iterations)
    initial = study.initial_policy
    chain = Chain("one_shot", 1, splits, initial, initial, partitioned=False)
    return [*build_tables(study, chain), build_policy(study, chain)]
