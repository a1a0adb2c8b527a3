"""How an experiment trains its policy: what `loop.objective` makes an iteration read and record.

Lives here: the assets, settings and rows of each objective. Not here: the asset itself
(`assets.iterations`), the training (`training.dpo`, `training.raft`).
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from assets.chain import Chain
from assets.samplers import kept_shares
from assets.steps import Step
from assets.study import Study
from training.settings import LoopSettings
from training.training_settings import TrainingSettings
from transforms.ranking.training_rows import TABLES, training_rows

WITH_REFERENCE = ("dpo",)
"""Objectives that hold the policy to a reference."""

BEST_OF_N = {"length_penalty", "length_unit", "drop_truncated"}
"""Settings of pairs that decide which of a prompt's responses is the best."""


def training_settings(study: Study, chain: Chain, loop: LoopSettings) -> TrainingSettings:
    """Look up the objective's training, which keeps the steps that the next iteration samples."""
    settings: TrainingSettings = getattr(loop, loop.objective)
    sampled = chain.partitioned and chain.iteration < study.recipe.loop.iterations
    return settings.keeping(kept_shares(loop)) if sampled else settings


def recorded_settings(study: Study, chain: Chain, loop: LoopSettings) -> Mapping[str, Any]:
    """Say what a policy's weights depend on besides what it reads; the objective's key is there."""
    settings: dict[str, Any] = {loop.objective: training_settings(study, chain, loop).decisive()}
    if loop.objective in WITH_REFERENCE:
        settings["reference"] = loop.reference
    if loop.objective == "raft":
        settings["pairs"] = loop.pairs.model_dump(include=BEST_OF_N)
    return {**settings, "start": loop.start, "data": loop.data, **study.model_settings}


def read_assets(study: Study, chain: Chain, loop: LoopSettings) -> list[str]:
    """Name the assets that a policy is trained on, the models apart."""
    first = chain.iteration
    # recorded inputs of plain DPO name earlier pairs wherever any experiment replays them
    if chain.partitioned and (loop.data == "accumulated" or _any_replays(study, loop.objective)):
        first = 1
    tables = TABLES[loop.objective]
    earlier = [f"iteration_{t}/{noun}" for t in range(first, chain.iteration) for noun in tables
               if noun != "prompts"]  # fmt: skip
    return [*(noun if noun == "prompts" else chain.asset(noun) for noun in tables), *earlier]


def _any_replays(study: Study, objective: str) -> bool:
    loops = [study.loop(experiment) for experiment in study.recipe.experiments]
    return objective == "dpo" and any(loop.data == "accumulated" for loop in loops)


def read_rows(step: Step, chain: Chain) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read what a policy is trained on, and the prompts left out (row_key, reason, evidence)."""
    first = 1 if step.loop.data == "accumulated" else chain.iteration
    return training_rows(
        step.lake,
        step.loop.objective,
        step.loop.pairs,
        **chain.slice(step),
        first_iteration=first,
    )
