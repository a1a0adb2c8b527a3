"""Promotion: whether an experiment's selected policy becomes the current one, and why.

A lake has one current policy, whose experiment does not matter; π₀ is the first. The asset exists
if the recipe has `promotion`. Not here: the rule (`transforms.measures.promotion`), rows of the
current policy (`assets.evaluation.current_policy`).
"""

from typing import Any

import dagster as dg
import polars as pl

from assets.compared_settings import select_compared
from assets.declare import declare
from assets.evaluation.benchmarks import list_asset_names
from assets.evaluation.current_policy import (
    find_current_policy,
    read_benchmark_results,
    read_responses,
)
from assets.evaluation.held_out import read_evaluation
from assets.loop.judges import judge_id, judge_pairs, judge_settings
from assets.loop.ranking.registry import find_evaluation_ranker
from assets.materialize import Made, Step
from assets.metadata import table_metadata
from assets.study import Study
from training.settings.promotion import JUDGE_METRIC, PromotionSettings
from transforms.errors import InputError
from transforms.identity import digest_settings
from transforms.lake.locks import lock_slice
from transforms.lake.records import promotions
from transforms.lake.schemas import TABLES
from transforms.lake.schemas.table import SHARED
from transforms.measures.promotion import (
    compute_advantages,
    compute_decision_level,
    decide,
    estimate_advantage,
    measure_falls,
    pair_first_responses,
)
from transforms.public_sets.registry import METRICS


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the asset of the decision; none if the recipe has no `promotion`."""
    settings = study.recipe.resolve_promotion()
    if settings is None:
        return []
    bounded = {name: study.recipe.benchmarks[name] for name in settings.max_fall}

    @declare(
        study,
        "promotion",
        group="evaluation",
        table=TABLES[promotions.TABLE],
        deps=(
            # those before `evaluation`: a current policy without answers is evaluated here
            "prompts",
            "prompt_splits",
            study.initial_policy,
            *find_evaluation_ranker(study).assets,
            "evaluation",
            "baseline_evaluation",
            "selected_policy",
            *(
                asset
                for name, one in bounded.items()
                for asset in list_asset_names(study, name, one)
            ),
        ),
        settings=lambda _: decision_settings(study, settings),
        partitioned=True,
        accelerator=True,
        kinds=("deltalake", "polars"),
    )
    def promotion(step: Step) -> Made:
        """The challenger is the experiment's selected policy."""
        with lock_slice(step.lake, promotions.TABLE, SHARED, wait=step.log.warning):
            row = decide_on_selected(step, settings)
            current = find_current_policy(step)
        step.log.info(
            f"{step.asset}: {row['model']} [{row['experiment']}] is "
            f"{'the current policy' if row['promoted'] else 'not promoted'}: {row['reason']}"
        )
        version = step.lake.version(promotions.TABLE)
        return Made(
            f"{promotions.TABLE}@{version}",
            {
                **table_metadata(promotions.read_decisions(step.lake), version),
                "promoted": row["promoted"],
                "reason": row["reason"],
                "current_policy": current["policy_id"],
            },
        )

    return [promotion]


def decision_settings(study: Study, settings: PromotionSettings) -> dict[str, Any]:
    """Return the settings that a decision depends on, besides the policies and their results."""
    judge = {"judge": judge_settings(study.judge)} if settings.metric == JUDGE_METRIC else {}
    return settings.model_dump() | judge


def decide_on_selected(step: Step, settings: PromotionSettings) -> dict[str, Any]:
    """Decide whether the experiment's selected policy is promoted; return the decision's row.

    If the same decision is already recorded, its row is returned. If the selected policy is the
    current one, the row is that of its promotion.
    """
    lake = step.lake
    current = find_current_policy(step)
    [selected] = lake.read("selected_policies", experiment=step.experiment).to_dicts()
    policies = [selected["policy_id"], current["policy_id"]]
    if policies[0] == policies[1]:
        return current
    keys = {name: selected[name] for name in ("experiment", "iteration", "model", "policy_id")}
    challenger = read_evaluation(lake, **keys)
    evaluation_id = str(challenger.item(0, "evaluation_id"))
    benchmarks = {name: step.study.recipe.benchmarks[name] for name in settings.max_fall}
    fallen = measure_falls(
        read_benchmark_results(step, benchmarks, policies[1]),
        settings.max_fall,
        {name: METRICS[one.benchmark] for name, one in benchmarks.items()},
        *policies,
    )
    decided_by = {
        "policies": policies,
        "settings": select_compared(step.settings),
        "evaluation_id": evaluation_id,
        "falls": fallen.to_dicts(),
    }
    decision_id = digest_settings(decided_by)
    if found := promotions.find_decision(lake, decision_id):
        return found
    answers = read_responses(step, current, evaluation_id, settings.split)
    ours, theirs = (
        rows.filter(split=settings.split, decoding=settings.decoding)
        for rows in (challenger, answers)
    )
    by_judge = settings.metric == JUDGE_METRIC
    if by_judge:
        rows = _judge_advantages(step, ours, theirs)
    else:
        rows = compute_advantages(ours, theirs, str(settings.metric))
    number = promotions.count_comparisons(lake) + 1
    level = compute_decision_level(settings.level, number)
    advantage = estimate_advantage(rows, level)
    return promotions.record(
        lake,
        **keys,
        decision_id=decision_id,
        current_id=policies[1],
        **decide(str(settings.metric), level, advantage, fallen)._asdict(),
        metric=settings.metric,
        decoding=settings.decoding,
        level=level,
        number=number,
        split=settings.split,
        advantage=advantage.value,
        standard_error=advantage.standard_error,
        low=advantage.low,
        high=advantage.high,
        prompts=advantage.prompts,
        evaluation_id=evaluation_id,
        judge_id=judge_id(step.study) if by_judge else None,
        falls=fallen.to_dicts(),
    )


def _judge_advantages(step: Step, challenger: pl.DataFrame, current: pl.DataFrame) -> pl.DataFrame:
    """Compare one response of each policy per prompt by the judge; undecided prompts are left out.

    Returns:
        prompt_id, value: above zero if the challenger's response is better.

    Raises:
        InputError: both policies answered no common prompt, or the judge decided none.
    """
    pairs = pair_first_responses(challenger, current, step.lake.read("prompts"))
    shares, undecided = judge_pairs(step, pairs)
    if shares.is_empty():
        raise InputError(
            "the judge cannot decide between the current policy and its challenger",
            expected="a verdict on at least one prompt",
            found=f"no verdict on any of {pairs.height} prompts",
            remedy="read the judge's answers in the table judgments, and correct `judge`",
        )
    step.log.info(f"{step.asset}: {undecided.height} of {pairs.height} prompts have no verdict")
    return shares.select(prompt_id="pair_id", value=shares["chosen_reward"] - 0.5)
