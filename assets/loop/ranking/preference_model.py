"""The preference model as a ranker: it compares two responses to a prompt at a time."""

from typing import Any, ClassVar

import polars as pl

from assets.loop.ranking.ranker import Commit
from assets.loop.ranking.trained_ranker import TrainedRanker
from assets.materialize import Step
from training.settings.loop import LoopSettings


class PreferenceModelRanker(TrainedRanker):
    """The recipe's pairwise preference model."""

    kind: ClassVar[str] = "preference_model"
    training: ClassVar[str] = (
        "Pairwise preference model: π₀ trained to name the better response of two, A or B."
    )

    def response_settings(self, loop: LoopSettings) -> dict[str, Any]:
        """Return the settings that rewards depend on: also the method of comparisons."""
        return {**super().response_settings(loop), "method": loop.ranking.method}

    def rank(self, step: Step, rows: pl.DataFrame, commit: Commit) -> dict[str, Any]:
        """Compare the responses of every prompt."""
        from training.ranking import rank

        run = rank(
            rows,
            self.checkpoint(step).path,
            step.loop.ranking,
            dtype=step.dtype,
            commit=commit,
            devices=step.devices,
            description=step.asset,
        )
        return {"comparisons": run.comparisons, "ranking_s": run.elapsed_s}

    def pair_rewards(self, step: Step, pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Compare both sides of every pair."""
        from training.models.preference_forward import split_by_length
        from training.ranking import rank_pairs

        folder = self.checkpoint(step).path
        read, too_long = split_by_length(pairs, folder, self.settings.max_tokens)
        rewards = rank_pairs(
            read, folder, step.loop.ranking, dtype=step.dtype, devices=step.devices
        )
        return rewards, too_long
