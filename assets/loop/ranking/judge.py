"""The judge as a ranker: the reward of a response is its share of won comparisons.

Not here: requests to the judge (`assets.loop.judges`), the shares (`transforms.pairs.judgments`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import polars as pl

from assets.loop.judges import judge_id, judge_pairs, judge_settings, rank_by_judge
from assets.loop.ranking.ranker import Commit, Ranker
from assets.materialize import Step
from training.settings.judge import JudgeSettings
from training.settings.loop import LoopSettings


class JudgeRanker(Ranker):
    """The recipe's judge."""

    kind: ClassVar[str] = "judge"
    engine: ClassVar[str] = "vllm"
    checks: ClassVar[Sequence[str]] = ("judgments_are_usable",)
    unranked_pairs: ClassVar[str] = "Pairs without a verdict"
    settings: JudgeSettings

    def prepare(self, step: Step, prompts: pl.DataFrame) -> None:
        """Download a judge of the hub; refuse one in this process that cannot read a request."""
        from training.judging.local_judge import check_judge_folder, find_judge_folder

        if self.settings.path:
            folder = find_judge_folder(self.settings.path, self.settings.revision)
            check_judge_folder(folder, self.settings)

    def response_settings(self, loop: LoopSettings) -> dict[str, Any]:
        """Return the settings that rewards depend on: also the judge and its method."""
        return {
            **super().response_settings(loop),
            "method": loop.ranking.method,
            "judge": judge_settings(self.settings),
        }

    def ranker_id(self, step: Step) -> str:
        """Return the judge's id."""
        return judge_id(self.study)

    def rank(self, step: Step, rows: pl.DataFrame, commit: Commit) -> dict[str, Any]:
        """Ask the judge to compare the responses of every prompt."""
        run = rank_by_judge(step, rows, step.loop.ranking, commit)
        return {
            "comparisons_asked": run.judged.comparisons,
            "unparseable_answers": run.judged.unparseable,
            "unanswered_requests": run.judged.unanswered,
            "undecided_meetings": run.undecided,
            "unranked_responses": run.unranked,
        }

    def pair_settings(self) -> Mapping[str, Any]:
        """Return the judge and its dtype."""
        return {"judge": judge_settings(self.settings), "dtype": self.study.recipe.model.dtype}

    def pair_rewards(self, step: Step, pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Ask the judge to compare both sides of every pair, in both orders."""
        return judge_pairs(step, pairs)
