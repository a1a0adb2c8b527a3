"""What ranks an iteration's responses: a reward model, a preference model, or a judge.

Lives here: the choice that a recipe makes by `loop.ranker`, for responses and for labelled pairs.
Not here: how any of them ranks
(`training.scoring`, `training.ranking`, `training.judging.judge_ranker`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import polars as pl

from assets.loop.judges import judge_id, judge_settings, rank_by_judge
from assets.materialize import Step
from assets.metadata import table_preview
from assets.study import Study
from training.settings.loop import LoopSettings
from training.settings.stages import PreferenceModelSettings, RewardModelSettings
from transforms.identity import digest_settings
from transforms.lake.records import checkpoints, training_metrics
from transforms.measures.reward_accuracy import as_rewards, reward_model_results
from transforms.prompts import rows_by_split

RankerSettings = RewardModelSettings | PreferenceModelSettings
Commit = Callable[[pl.DataFrame], Any]


@dataclass(frozen=True)
class Ranker:
    """What ranks an experiment's responses, and how."""

    name: str
    """Asset of a model; or `judge`."""
    ranker_id: str
    """Checkpoint; or judge_id."""
    ranking_id: str
    """Hash of the settings with which it ranks."""

    @classmethod
    def of(cls, study: Study, step: Step, name: str) -> Self:
        """Look a ranker up by its asset's name, or `judge`.

        Raises:
            InputError: its model is missing.
        """
        settings = ranker_settings(study, step.loop, name)
        if name == "judge":
            ranker_id = judge_id(study)
        else:
            ranker_id = checkpoints.latest(step.lake, name, step.experiment).checkpoint_id
        return cls(name, ranker_id, digest_settings(settings))

    @property
    def columns(self) -> dict[str, str]:
        """Its columns of `scores`."""
        return {"ranker": self.name, "ranker_id": self.ranker_id, "ranking_id": self.ranking_id}


def ranker_settings(study: Study, loop: LoopSettings, name: str) -> dict[str, Any]:
    """Say what the rewards depend on besides the responses and the ranker's weights."""
    settings: dict[str, Any] = {"dtype": study.recipe.model.dtype}
    if name != "reward_model":
        settings |= {"ranker": name}
    if name in ("preference_model", "judge"):
        settings |= {"method": loop.ranking.method}
    if name == "judge":
        settings |= {"judge": judge_settings(study.recipe.judge)}
    return settings


def pair_rewards(
    study: Study, step: Step, folder: Path, pairs: pl.DataFrame, settings: RankerSettings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Judge labelled pairs by a trained ranker.

    Args:
        study: the study.
        step: the asset's step.
        folder: of the model.
        pairs: pair_id, prompt, chosen, rejected, and other columns.
        settings: with which it was trained; a pair longer than `max_tokens` is not read.

    Returns:
        pair_id, chosen_reward, rejected_reward; and the pairs that were not read, as row_key,
        reason, evidence.
    """
    dtype = study.recipe.model.dtype
    if isinstance(settings, PreferenceModelSettings):
        from training.models.preference_forward import compare_pairs, split_by_length

        read, too_long = split_by_length(pairs, folder, settings.max_tokens)
        return as_rewards(compare_pairs(read, folder, step.loop.ranking, dtype=dtype)), too_long
    from training.scoring import score_pairs, split_by_length

    read, too_long = split_by_length(pairs, folder, settings.max_tokens)
    return score_pairs(read, folder, step.loop.scoring, dtype=dtype), too_long


def validate_ranker(
    study: Study, step: Step, settings: RankerSettings, iteration: int = 0
) -> dict[str, Any]:
    """Measure a step's new ranker on the validation pairs, beside a length-only baseline.

    Args:
        study: the study.
        step: of the asset that trained it.
        settings: with which it was trained.
        iteration: that it was refreshed in; 0 outside the loop.

    Returns:
        What the asset's page shows of the results; they are in `evaluation_results`.
    """
    lake, slice_ = step.lake, {"experiment": step.experiment}
    model = checkpoints.latest(lake, step.asset, step.experiment)
    held = rows_by_split.reward_validation_pairs(lake.read("preference_pairs"))
    rewards, too_long = pair_rewards(study, step, model.path, held, settings)
    training_metrics.record_dropped(lake, too_long, asset=f"{step.asset}/validation", **slice_)
    results = reward_model_results(
        held,
        rewards,
        model=step.asset,
        policy_id=model.checkpoint_id,
        iteration=iteration,
        **slice_,
    )
    lake.overwrite("evaluation_results", results, model=step.asset, **slice_)
    return {"validation": table_preview(results)}


def rank(
    study: Study, step: Step, rows: pl.DataFrame, ranker: Ranker, commit: Commit
) -> dict[str, Any]:
    """Rank responses by the ranker of the step's loop.

    Args:
        study: the study.
        step: the asset's step.
        rows: prompt_id, response_index, prompt, response.
        ranker: what ranks them.
        commit: called with prompt_id, response_index, reward, chunk by chunk.

    Returns:
        What the asset's page shows of the run.
    """
    if ranker.name == "judge":
        return rank_by_judge(study, step, rows, commit)
    model = checkpoints.latest(step.lake, ranker.name, step.experiment)
    common = {"dtype": study.recipe.model.dtype, "commit": commit, "description": step.asset}
    if ranker.name == "preference_model":
        from training.ranking import rank as rank_by_preference

        run = rank_by_preference(rows, model.path, step.loop.ranking, **common)
        return {"comparisons": run.comparisons, "ranking_s": run.elapsed_s}
    from training.scoring import score

    run = score(rows, model.path, step.loop.scoring, **common)
    return {
        "rows_per_s": run.responses / run.elapsed_s,
        "empty_responses": run.empty_responses,
    }
