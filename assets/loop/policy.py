"""The asset `policy` of a chain: its inputs, its recorded settings, its training.

Not here: the tables of an objective (`transforms.pairs.objectives`), the chains
(`assets.loop.iterations`), the run of a training (`assets.loop.train`).
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.declare import declare
from assets.loop.chain import Chain
from assets.loop.left_out import example_warnings
from assets.loop.ranking.registry import find_ranker
from assets.loop.samplers import list_kept_shares
from assets.loop.train import train
from assets.materialize import Made, Step
from assets.study import Study
from training.rewards.recorded_parts import read_parts
from training.settings.loop import LoopSettings
from training.settings.objectives import RLOORun
from training.settings.training import TrainingSettings
from transforms.lake.asset_names import iteration_name
from transforms.lake.schemas.table import SHARED
from transforms.pairs.objectives import OBJECTIVES, TrainedPart
from transforms.pairs.responses import read_with_references


def build_policy(study: Study, chain: Chain) -> dg.AssetsDefinition:
    """Build the asset of the policy that is trained on a chain's tables."""
    experiments = study.recipe.experiments if chain.partitioned else [SHARED]

    def inputs(loop: LoopSettings) -> list[str]:
        return list_inputs(study, chain, chain.resolve(loop))

    @declare(
        study,
        chain.asset("policy"),
        group=chain.group,
        # the inputs of all experiments, whose objectives may differ: edges are for all of them
        deps=tuple(dict.fromkeys(name for e in experiments for name in inputs(study.loop(e)))),
        reads=inputs,
        settings=lambda loop: collect_settings(study, chain, chain.resolve(loop)),
        partitioned=chain.partitioned,
        warnings=[example_warnings()],
        accelerator=True,
        kinds=("pytorch", "trl"),
        description=f"Policy: trained by the experiment's objective, by default DPO on "
        f"{chain.asset('dpo_pairs')}, from {chain.sampled_policy} (setting `start`) against π₀ "
        "(setting `reference`).",
    )
    def policy(step: Step) -> Made:
        return train_policy(step, chain)

    return policy


def list_inputs(study: Study, chain: Chain, loop: LoopSettings) -> list[str]:
    """List the inputs of a policy's training: tables, then models."""
    objective = OBJECTIVES[loop.objective]
    groups = [chain.group, *(iteration_name(t) for t in _trained_iterations(chain, loop)[:-1])]
    tables = [f"{group}/{noun}" for group in groups for noun in objective.iteration_tables]
    ranker = find_ranker(study, loop, loop.ranker)
    models = [*find_models(chain, loop).values(), *(ranker.assets * objective.computes_rewards)]
    return list(dict.fromkeys([*tables, *objective.shared_tables, *models]))


def find_models(chain: Chain, loop: LoopSettings) -> dict[str, str]:
    """Return the assets of a training's policies: of start, and of reference."""
    objective = OBJECTIVES[loop.objective]
    policies = {"previous": chain.sampled_policy, "initial": chain.initial_policy}
    models = {"start": policies[loop.start]}
    if objective.takes_reference:
        models["reference"] = policies[loop.reference]
    return models


def collect_settings(study: Study, chain: Chain, loop: LoopSettings) -> Mapping[str, Any]:
    """Return the settings that a policy's weights depend on, besides its inputs."""
    objective = OBJECTIVES[loop.objective]
    settings: dict[str, Any] = {
        loop.objective: resolve_training(study, chain, loop).dump_decisive()
    }
    if objective.takes_reference:
        settings["reference"] = loop.reference
    if objective.computes_rewards:
        settings["rewards"] = find_ranker(study, loop, loop.ranker).describe_parts()
    if objective.reads_scores:
        settings["pairs"] = loop.pairs.ordering()
    return {**settings, "start": loop.start, "data": loop.data, **study.model_settings}


def resolve_training(study: Study, chain: Chain, loop: LoopSettings) -> TrainingSettings:
    """Return the objective's settings, with the checkpoints that later iterations sample kept."""
    settings = loop.resolve_training()
    is_sampled = chain.partitioned and chain.iteration < study.recipe.loop.iterations
    return settings.keep_shares(list_kept_shares(loop)) if is_sampled else settings


def train_policy(step: Step, chain: Chain) -> Made:
    """Train the policy of a chain by its experiment's objective."""
    loop = chain.resolve(step.loop)
    settings = resolve_training(step.study, chain, loop)
    iterations = _trained_iterations(chain, loop)
    part = TrainedPart(
        experiment=str(chain.slice(step)["experiment"]),
        iterations=iterations,
        pairs=loop.pairs,
        settings=settings,
        splits=(*(iteration_name(t) for t in iterations[:-1]), *chain.splits),
    )
    if isinstance(settings, RLOORun):
        prompts = read_with_references(step.lake, part.splits)
        find_ranker(step.study, loop, loop.ranker).prepare(step, prompts)
        parts = read_parts(step.settings["rewards"], lambda asset: step.model(asset).path)
        settings = settings.model_copy(update={"rewards": parts})
    rows, unusable = OBJECTIVES[loop.objective].read_rows(step.lake, part)
    models = {name: step.model(asset) for name, asset in find_models(chain, loop).items()}
    return train(
        step,
        loop.objective,
        rows,
        settings,
        iteration=chain.iteration if chain.partitioned else 0,
        unusable=unusable,
        **models,
    )


def _trained_iterations(chain: Chain, loop: LoopSettings) -> range:
    """Return the iterations whose rows a policy is trained on, the chain's own one last."""
    replays = chain.partitioned and loop.data == "accumulated"
    return range(1 if replays else chain.iteration, chain.iteration + 1)
