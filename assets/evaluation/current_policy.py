"""The current policy of a lake: its responses and benchmark results, to compare others with.

They are computed if the lake does not have them: the current policy may come from an earlier run,
so later rows may have replaced its own, or its rows may have other settings, prompts or rewards
than the challenger's. Not here: the decision (`assets.evaluation.promotion`).
"""

from typing import Any

import polars as pl

from assets.evaluation.benchmark_runs import measure, open_study_benchmark
from assets.evaluation.held_out import claim_work, evaluate_policy, read_evaluation
from assets.materialize import Step
from training.models.checkpoint import require_model
from training.settings.benchmarks import AnyBenchmark
from transforms.benchmarks.policies import find_measured_policy
from transforms.benchmarks.results import ALL, TABLE
from transforms.formats import shorten_id
from transforms.identity import digest_settings
from transforms.lake.enforcement import add_keys
from transforms.lake.records import checkpoints, promotions
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import SHARED
from transforms.prompts import rows_by_split

CURRENT = "current"
"""Experiment of the responses that are computed here."""


def find_current_policy(step: Step) -> dict[str, Any]:
    """Return the decision that promoted the current policy; the first decision promotes π₀."""
    found = promotions.find_current(step.lake)
    if found is not None:
        return found
    policy = step.model(step.study.initial_policy)
    return promotions.record(
        step.lake,
        experiment=SHARED,
        iteration=0,
        decision_id=digest_settings({"policies": [policy.checkpoint_id, None]}),
        model=step.study.initial_policy,
        policy_id=policy.checkpoint_id,
        promoted=True,
        reason=promotions.FIRST,
        falls=[],
    )


def read_responses(
    step: Step, current: dict[str, Any], evaluation_id: str, split: str
) -> pl.DataFrame:
    """Read the current policy's responses of an evaluation to one split, or compute them.

    Raises:
        InputError: its checkpoint is damaged or missing.
    """
    lake, policy_id = step.lake, current["policy_id"]
    keys = {"policy_id": policy_id, "evaluation_id": evaluation_id, "split": split}
    rows = read_evaluation(lake.live, **keys)
    if rows.height:
        # two experiments may have made the same policy
        key = ["decoding", "prompt_id", "response_index"]
        return rows.unique(key, keep="first", maintain_order=True)
    [recorded] = checkpoints.find_rows(lake, {policy_id})
    policy = checkpoints.fetch(lake, recorded)
    require_model(policy.path)
    prompts = rows_by_split.select_held_out_prompts(
        lake.read("prompts"), lake.read("prompt_splits")
    )
    step.log.info(
        f"{step.asset}: evaluation of the current policy {shorten_id(policy_id)} on these prompts"
    )
    with claim_work(step, policy, f"{evaluation_id} {split}", "current_policy") as work:
        answers = evaluate_policy(step, policy, prompts.filter(split=split), work, "current policy")
        keyed = add_keys(answers, **keys, experiment=CURRENT, iteration=0, model=current["model"])
        rows = keyed.select(list(schema_of("evaluation_responses")))
        lake.overwrite("evaluation_responses", rows, experiment=CURRENT)
    return rows


def read_benchmark_results(
    step: Step, benchmarks: dict[str, AnyBenchmark], policy_id: str
) -> pl.DataFrame:
    """Read the lake's benchmark results over all items, the current policy's among them.

    The current policy is measured here on enabled benchmarks that have no result of it.

    Args:
        step: the asset's step.
        benchmarks: the benchmarks that a decision reads, by name.
        policy_id: checkpoint of the current policy.
    """
    lake = step.lake.live  # the current policy may be that of another experiment
    for name, settings in benchmarks.items():
        known = lake.read_or_empty(TABLE, benchmark=name, policy_id=policy_id)
        if settings.enabled and known.is_empty():
            opened = open_study_benchmark(step, settings)
            policy = find_measured_policy(lake, policy_id)
            measure(lake, *policy, name, opened, step.log.info, step.commits)
    return lake.read_or_empty(TABLE, subset=ALL)
