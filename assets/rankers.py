"""What ranks an iteration's responses: a reward model, a preference model, or a judge.

Lives here: the choice that a recipe makes by `loop.ranker`, for responses and for labelled pairs.
Not here: how any of them ranks
(`training.scoring`, `training.ranking`, `training.judge_ranking`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import polars as pl

from assets.materialize import Step
from assets.study import Study
from training.settings import LoopSettings, PreferenceModelSettings, RewardModelSettings
from transforms.identity import digest_settings
from transforms.measures.preference_accuracy import as_rewards
from transforms.ranking import judgments
from transforms.tables import checkpoints
from transforms.tables.chunks import Chunks

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
    def of(cls, study: Study, step: Step) -> Self:
        """Look up the ranker that the loop names.

        Raises:
            InputError: its model is missing.
        """
        name, settings = step.loop.ranker, ranker_settings(study, step.loop)
        if name == "judge":
            from training.judge import describe_judge

            judge = describe_judge(study.recipe.judge, dtype=study.recipe.model.dtype)
            ranker_id = judge["judge_id"].item()
        else:
            ranker_id = checkpoints.latest(step.lake, name, step.experiment).checkpoint_id
        return cls(name, ranker_id, digest_settings(settings))

    @property
    def columns(self) -> dict[str, str]:
        """Its columns of `scores`."""
        return {"ranker": self.name, "ranker_id": self.ranker_id, "ranking_id": self.ranking_id}


def ranker_settings(study: Study, loop: LoopSettings) -> dict[str, Any]:
    """Say what the rewards depend on besides the responses and the ranker's weights."""
    settings: dict[str, Any] = {"dtype": study.recipe.model.dtype}
    if loop.ranker != "reward_model":
        settings |= {"ranker": loop.ranker}
    if loop.ranker in ("preference_model", "judge"):
        settings |= {"method": loop.ranking.method}
    if loop.ranker == "judge":
        # how it is reached changes no verdict
        reach = {
            "timeout_s",
            "retries",
            "concurrency",
            "chunk_comparisons",
            "api_key_variable",
            "max_unparsed_share",
        }
        settings |= {"judge": study.recipe.judge.model_dump(exclude=reach)}
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
        from training.comparing import compare_pairs, split_by_length

        read, too_long = split_by_length(pairs, folder, settings.max_tokens)
        return as_rewards(compare_pairs(read, folder, step.loop.ranking, dtype=dtype)), too_long
    from training.pair_scoring import score_pairs, split_by_length

    read, too_long = split_by_length(pairs, folder, settings.max_tokens)
    return score_pairs(read, folder, step.loop.scoring, dtype=dtype), too_long


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
        return _by_judge(study, step, rows, ranker, commit)
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


def _by_judge(
    study: Study, step: Step, rows: pl.DataFrame, ranker: Ranker, commit: Commit
) -> dict[str, Any]:
    from training.judge import describe_judge
    from training.judge_ranking import judge_responses

    recipe, lake = study.recipe, step.lake
    judgments.record_judge(lake, describe_judge(recipe.judge, dtype=recipe.model.dtype))
    run = judge_responses(
        rows,
        recipe.judge,
        step.loop.ranking,
        dtype=recipe.model.dtype,
        judged=judgments.answered(lake, ranker.ranker_id),
        commit_judgments=Chunks(lake, "judgments"),
        commit=commit,
        description=step.asset,
    )
    return {
        "judge_id": ranker.ranker_id,
        "comparisons_asked": run.judged.comparisons,
        "unparseable_answers": run.judged.unparseable,
        "unanswered_requests": run.judged.unanswered,
        "undecided_meetings": run.undecided,
        "unranked_responses": run.unranked,
    }
