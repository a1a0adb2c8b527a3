"""How an experiment trains its policy: what `loop.objective` makes an iteration read and record.

Lives here: the inputs, settings and rows of each objective. Not here: the asset itself
(`assets.loop.iterations`), the trainings (`training.dpo`, `kto`, `raft`, `rloo`).
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from assets.loop.chain import Chain
from assets.loop.samplers import kept_shares
from assets.loop.train import train
from assets.materialize import Made, Step
from assets.study import Study
from training.settings.loop import LoopSettings
from training.settings.training import TrainingSettings
from transforms.lake.records import checkpoints
from transforms.pairs.responses import prompts_of
from transforms.pairs.training_rows import NONE_DROPPED, PROMPTS, SCORED, TABLES, training_rows

ORDER = {"length_penalty", "length_unit", "drop_truncated"}
"""Settings of pairs that decide in which order a prompt's responses are."""


def training_settings(study: Study, chain: Chain, loop: LoopSettings) -> TrainingSettings:
    """Look up the objective's training, which keeps the steps that the next iteration samples."""
    settings = loop.training()
    sampled = chain.partitioned and chain.iteration < study.recipe.loop.iterations
    return settings.keeping(kept_shares(loop)) if sampled else settings


def recorded_settings(study: Study, chain: Chain, loop: LoopSettings) -> Mapping[str, Any]:
    """Say what a policy's weights depend on besides what it reads; the objective's key is there."""
    settings: dict[str, Any] = {loop.objective: training_settings(study, chain, loop).decisive()}
    if loop.objective != "raft":
        settings["reference"] = loop.reference
    if loop.objective == "rloo":
        settings["ranker"] = loop.ranker
    if TABLES[loop.objective] == SCORED:
        settings["pairs"] = loop.pairs.model_dump(include=ORDER)
    return {**settings, "start": loop.start, "data": loop.data, **study.model_settings}


def read_assets(study: Study, chain: Chain, loop: LoopSettings) -> list[str]:
    """Name the assets that a policy is trained on: tables, then models."""
    tables, first = TABLES[loop.objective], chain.iteration
    # recorded inputs of plain DPO name earlier pairs wherever any experiment replays them
    if chain.partitioned and (loop.data == "accumulated" or _any_replays(study, loop)):
        first = 1
    own = [noun for noun in tables if noun not in PROMPTS]
    earlier = [f"iteration_{t}/{noun}" for t in range(first, chain.iteration) for noun in own]
    common = [noun for noun in tables if noun in PROMPTS]
    models = _models(chain, loop).values()
    return list(dict.fromkeys([*map(chain.asset, own), *earlier, *common, *models]))


def _any_replays(study: Study, loop: LoopSettings) -> bool:
    loops = [study.loop(experiment) for experiment in study.recipe.experiments]
    return loop.objective == "dpo" and any(one.data == "accumulated" for one in loops)


def _models(chain: Chain, loop: LoopSettings) -> dict[str, str]:
    """Name the assets of the models that a training takes, by what they are to it."""
    assets = {"previous": chain.sampled_policy, "initial": "sft_policy"}
    if loop.objective == "dpo":  # reads both, whichever of them it takes, since the first lakes
        return assets
    found = {"start": assets[loop.start]}
    if loop.objective != "raft":
        found["reference"] = assets[loop.reference]
    if loop.objective == "rloo":
        found["reward_model"] = loop.ranker
    return found


def read_rows(step: Step, chain: Chain) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read what a policy is trained on, and the prompts left out (row_key, reason, evidence)."""
    accumulated = step.loop.data == "accumulated" and chain.partitioned
    first = 1 if accumulated else chain.iteration
    if step.loop.objective == "rloo":
        earlier = [f"iteration_{t}" for t in range(first, chain.iteration)]
        return prompts_of(step.lake, [*earlier, *chain.splits]), NONE_DROPPED
    return training_rows(
        step.lake,
        step.loop.objective,
        step.loop.pairs,
        step.loop.kto.rule,
        **chain.slice(step),
        first_iteration=first,
    )


def train_policy(study: Study, step: Step, chain: Chain) -> Made:
    """Train the policy of a chain by its experiment's objective."""
    loop = step.loop
    initial = checkpoints.latest(step.lake, "sft_policy", step.experiment)
    previous = checkpoints.latest(step.lake, chain.sampled_policy, step.experiment)
    models = {"start": previous if loop.start == "previous" else initial}
    reference = initial if loop.reference == "initial" else previous
    if loop.objective == "rloo":
        ranker = checkpoints.latest(step.lake, loop.ranker, step.experiment)
        models |= {"reference": reference, "reward_model": ranker}
    rows, unusable = read_rows(step, chain)
    return train(
        study,
        step,
        loop.objective,
        rows,
        training_settings(study, chain, loop),
        parent=models["start"],
        against=None if loop.objective == "raft" else reference,
        iteration=chain.iteration if chain.partitioned else 0,
        unusable=unusable,
        **models,
    )
