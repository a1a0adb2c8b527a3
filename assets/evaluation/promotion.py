"""Promotion: whether an experiment's selected policy becomes the current one, and why.

Lives here: the asset that decides. Not here: the rule (`transforms.measures.promotion`), what the
challenger is compared with (`assets.evaluation.current_policy`). There is one current policy in a
lake, whatever experiment made it; pi_0 is the first. Drawn where the recipe has `promotion`.
"""

from typing import Any

import dagster as dg
import polars as pl

from assets.declare import declare
from assets.evaluation.benchmarks import asset_names
from assets.evaluation.current_policy import (
    benchmark_results,
    current_policy,
    validation_answers,
)
from assets.evaluation.held_out import evaluated
from assets.loop.judges import judge_id, judge_pairs, judge_settings
from assets.materialize import Made, Step
from assets.metadata import table_metadata
from assets.study import Study
from training.settings.promotion import PromotionSettings
from transforms.identity import digest_settings
from transforms.lake.locks import lock_slice
from transforms.lake.records import promotions
from transforms.lake.schemas import TABLES
from transforms.lake.schemas.columns import SHARED
from transforms.measures import bootstrap
from transforms.measures.promotion import (
    compute_advantages,
    decide,
    measure_falls,
    pair_first_responses,
)
from transforms.public_sets.registry import METRICS

BY_JUDGE = "win_rate_judge"


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the asset that decides; none where the recipe promotes nothing."""
    settings = study.recipe.promotion
    if settings is None:
        return []
    bounded = {name: study.recipe.benchmarks[name] for name in settings.max_fall}

    @declare(
        study,
        "promotion",
        group="evaluation",
        table=TABLES[promotions.TABLE],
        deps=(
            "evaluation",
            "baseline_evaluation",
            "selected_policy",
            *(asset for name, one in bounded.items() for asset in asset_names(name, one)),
        ),
        settings=lambda _: _recorded(study, settings),
        partitioned=True,
        accelerator=True,
        kinds=("deltalake", "polars"),
    )
    def promotion(step: Step) -> Made:
        """The experiment's selected policy challenges the current one."""
        with lock_slice(step.lake, promotions.TABLE, SHARED, wait=step.log.warning):
            row = _decided(study, step, settings)
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
                "current_policy": promotions.find_current(step.lake)["policy_id"],
            },
        )

    return [promotion]


def _recorded(study: Study, settings: PromotionSettings) -> dict[str, Any]:
    """Return what a decision depends on besides the policies and their figures."""
    by_judge = settings.metric == BY_JUDGE
    judge = {"judge": judge_settings(study.recipe.judge)} if by_judge else {}
    return settings.model_dump() | judge


def _decided(study: Study, step: Step, settings: PromotionSettings) -> dict[str, Any]:
    """Decide on the experiment's selected policy, or return the decision on record."""
    lake, benchmarks = step.lake, study.recipe.benchmarks
    current = current_policy(step)
    [selected] = lake.read("selected_policies", experiment=step.experiment).to_dicts()
    policies = [selected["policy_id"], current["policy_id"]]
    if policies[0] == policies[1]:
        return current
    keys = {name: selected[name] for name in ("experiment", "iteration", "model", "policy_id")}
    challenger = evaluated(lake, **keys)
    evaluation_id = challenger["evaluation_id"].first()
    fallen = measure_falls(
        benchmark_results(
            study, step, {name: benchmarks[name] for name in settings.max_fall}, policies[1]
        ),
        settings.max_fall,
        {name: METRICS[benchmarks[name].benchmark] for name in settings.max_fall},
        *policies,
    )
    decided_by = {
        "policies": policies,
        "settings": step.settings,
        "evaluation_id": evaluation_id,
        "falls": fallen.to_dicts(),
    }
    decision_id = digest_settings(decided_by)
    if found := promotions.find_decision(lake, decision_id):
        return found
    answers = validation_answers(study, step, current, evaluation_id)
    compared = {"split": "validation", "decoding": settings.decoding}
    sides = [rows.filter(**compared) for rows in (challenger, answers)]
    by_judge = settings.metric == BY_JUDGE
    rows = _judged(step, *sides) if by_judge else compute_advantages(*sides, settings.metric)
    how = bootstrap.Resampling(settings.level, seed=study.seed(step.asset))
    advantage = bootstrap.estimate_mean(rows, how=how)
    return promotions.record(
        lake,
        **keys,
        decision_id=decision_id,
        current_id=policies[1],
        **decide(settings.metric, settings.level, advantage, fallen)._asdict(),
        metric=settings.metric,
        decoding=settings.decoding,
        level=settings.level,
        advantage=advantage.value,
        standard_error=advantage.standard_error,
        low=advantage.low,
        high=advantage.high,
        prompts=advantage.prompts,
        evaluation_id=evaluation_id,
        judge_id=judge_id(study) if by_judge else None,
        falls=fallen.to_dicts(),
    )


def _judged(step: Step, challenger: pl.DataFrame, current: pl.DataFrame) -> pl.DataFrame:
    """Have the recipe's judge compare one response of each; its undecided prompts do not count."""
    pairs = pair_first_responses(challenger, current, step.lake.read("prompts"))
    shares, undecided = judge_pairs(step, pairs)
    step.log.info(f"{step.asset}: {undecided.height} of {pairs.height} prompts have no verdict")
    return shares.select(prompt_id="pair_id", value=shares["chosen_reward"] - 0.5)
