"""The reward model as a ranker: it gives every response a Bradley-Terry reward of its own."""

from typing import Any, ClassVar

import polars as pl

from assets.loop.ranking.ranker import Commit
from assets.loop.ranking.trained_ranker import TrainedRanker
from assets.materialize import Step


class RewardModelRanker(TrainedRanker):
    """The recipe's reward model, one of its variants, or the refreshed one of an iteration."""

    kind: ClassVar[str] = "reward_model"
    training: ClassVar[str] = (
        "Bradley-Terry reward model: pi_0 with a scalar head, trained on preference pairs."
    )

    def rank(self, step: Step, rows: pl.DataFrame, commit: Commit) -> dict[str, Any]:
        """Score every response."""
        from training.scoring import score

        run = score(
            rows,
            self.checkpoint(step).path,
            step.loop.scoring,
            dtype=step.dtype,
            commit=commit,
            description=step.asset,
        )
        return {
            "rows_per_s": run.responses / run.elapsed_s,
            "empty_responses": run.empty_responses,
        }

    def pair_rewards(self, step: Step, pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Score both sides of every pair."""
        from training.scoring import score_pairs, split_by_length

        folder = self.checkpoint(step).path
        read, too_long = split_by_length(pairs, folder, self.settings.max_tokens)
        return score_pairs(read, folder, step.loop.scoring, dtype=step.dtype), too_long
