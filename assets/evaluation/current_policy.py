"""The current policy of a lake: its answers and figures, computed where the lake has none.

Lives here: what a challenger is compared with. Not here: the decision
(`assets.evaluation.promotion`). The current policy may come from an earlier run: another has
replaced its rows since, or it was measured with other settings, prompts or rewards than the
challenger is.
"""

from typing import Any

import polars as pl

from assets.evaluation.benchmark_runs import measure
from assets.evaluation.held_out import answer, evaluated
from assets.materialize import Step
from assets.study import Study
from training.models.checkpoint import require_model
from training.settings.benchmarks import AnyBenchmark
from transforms.benchmarks.policies import find_policy
from transforms.benchmarks.results import ALL, TABLE
from transforms.formats import shorten_id
from transforms.identity import digest_settings
from transforms.lake.enforcement import add_keys
from transforms.lake.records import checkpoints, promotions
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.columns import SHARED
from transforms.prompts import rows_by_split

CURRENT = "current"
"""Experiment of its answers, where they are made here."""


def current_policy(step: Step) -> dict[str, Any]:
    """Return the decision that promoted it; the first decision promotes pi_0."""
    found = promotions.find_current(step.lake)
    if found is not None:
        return found
    policy = checkpoints.find_latest(step.lake, "sft_policy", SHARED)
    return promotions.record(
        step.lake,
        experiment=SHARED,
        iteration=0,
        decision_id=digest_settings({"policies": [policy.checkpoint_id, None]}),
        model="sft_policy",
        policy_id=policy.checkpoint_id,
        promoted=True,
        reason=promotions.FIRST,
        falls=[],
    )


def validation_answers(
    study: Study, step: Step, current: dict[str, Any], evaluation_id: str
) -> pl.DataFrame:
    """Read its validation responses of an evaluation; draw and measure them where there are none.

    Raises:
        InputError: its checkpoint is damaged, or gone.
    """
    lake, policy_id = step.lake, current["policy_id"]
    rows = evaluated(lake, policy_id=policy_id, evaluation_id=evaluation_id)
    if rows.height:
        # two experiments may have made the same policy
        key = ["split", "decoding", "prompt_id", "response_index"]
        return rows.filter(split="validation").unique(key, keep="first", maintain_order=True)
    [policy] = checkpoints.find_checkpoints(lake, {policy_id})
    require_model(policy.path)
    prompts = rows_by_split.select_held_out_prompts(
        lake.read("prompts"), lake.read("prompt_splits")
    )
    step.log.info(
        f"{step.asset}: the current policy {shorten_id(policy_id)} answers the prompts of today"
    )
    drawn = answer(study, step, policy, prompts.filter(split="validation"), "current policy")
    keys = {"experiment": CURRENT, "model": current["model"], "policy_id": policy_id}
    stamped = add_keys(drawn, **keys, evaluation_id=evaluation_id, iteration=0)
    rows = stamped.select(list(schema_of("evaluation_responses")))
    lake.overwrite("evaluation_responses", rows, experiment=CURRENT)
    return rows


def benchmark_results(
    study: Study, step: Step, benchmarks: dict[str, AnyBenchmark], policy_id: str
) -> pl.DataFrame:
    """Read the lake's figures over all items, with those of the current policy.

    It is measured here on the benchmarks that have no figure of it and are not switched off.

    Args:
        study: the study.
        step: the asset's step.
        benchmarks: those that a decision reads, by name.
        policy_id: of the current policy.
    """
    lake = step.lake
    for name, settings in benchmarks.items():
        known = lake.exists(TABLE) and lake.read(TABLE, benchmark=name, policy_id=policy_id).height
        if settings.enabled and not known:
            from training.benchmarks.benchmark import open_benchmark

            opened = open_benchmark(
                settings,
                step.loop.sampling,
                study.recipe.judge,
                seed=study.seed("evaluation"),
                dtype=study.recipe.model.dtype,
            )
            measure(lake, *find_policy(lake, policy_id), name, opened, step.log.info)
    if not lake.exists(TABLE):
        return pl.DataFrame(schema=schema_of(TABLE))
    return lake.read(TABLE, subset=ALL)
