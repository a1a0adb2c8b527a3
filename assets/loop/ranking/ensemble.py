"""An ensemble of reward models as a ranker: their mean reward minus a multiple of their spread.

Not here: the spread (`transforms.pairs.ensembles`), training the members (`assets.loop.models`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from assets.loop.ranking.ranker import Commit
from assets.loop.ranking.weighted_sum import SumRanker
from assets.materialize import Step
from training.settings.rewards.ensemble import EnsembleSettings
from transforms.identity import digest_settings
from transforms.pairs.ensembles import SPREAD, measure_spread
from transforms.pairs.score_components import Identity, add_rewards, read_components

if TYPE_CHECKING:
    from training.evaluation import OpenChunks


@dataclass(frozen=True)
class EnsembleRanker(SumRanker):
    """Reward models that are averaged; their spread is subtracted.

    The spread is a row of `score_components` like the rewards of the members, so that the reward is
    again the weighted sum of these rows. It depends on the other responses of the prompt: of a
    labelled pair, both sides have the same spread, so the pair's rewards are the mean alone.
    """

    kind: ClassVar[str] = "ensemble"
    unranked_pairs: ClassVar[str] = "Pairs longer than a member was trained to read"
    settings: EnsembleSettings

    @property
    def weights(self) -> dict[str, float]:
        """Return the weight of each member in the mean, and that of the spread."""
        mean = dict.fromkeys(self.settings.members, 1 / len(self.settings.members))
        return {**mean, SPREAD: -self.settings.spread_weight}

    @property
    def own_settings(self) -> Mapping[str, Any]:
        """Return what the rewards depend on, besides the members."""
        return {"spread_weight": self.settings.spread_weight}

    def list_components(self, step: Step) -> list[Identity]:
        """Return its members, and then their spread, which depends on all of them."""
        members = super().list_components(step)
        ids = digest_settings({one.component: one.component_id for one in members})
        settings = digest_settings({one.component: one.component_ranking_id for one in members})
        return [*members, Identity(SPREAD, ids, settings)]

    def rank_part(
        self, step: Step, name: str, rows: pl.DataFrame, missing: pl.DataFrame, commit: Commit
    ) -> dict[str, Any]:
        """Score with a member, or measure the spread of the members' stored rewards."""
        if name != SPREAD:
            return super().rank_part(step, name, rows, missing, commit)
        stored = read_components(step.lake, rows, super().list_components(step))
        spread = stored.select(
            "prompt_id", "response_index", reward=measure_spread(self.settings.members)
        )
        commit(spread.join(missing, on=["prompt_id", "response_index"], how="semi"))
        return {"mean": spread["reward"].mean()}

    def score(self, step: Step, rows: pl.DataFrame, open_chunks: "OpenChunks") -> pl.Series:
        """Score responses to held-out prompts; those of one decoding are compared."""
        keys = ["decoding", "prompt_id"]
        scored = rows.select(keys).with_columns(
            **{name: part.score(step, rows, open_chunks) for name, part in self.parts.items()}
        )
        complete = scored.with_columns(measure_spread(self.settings.members, keys).alias(SPREAD))
        return add_rewards(complete.drop(keys).to_dict(), self.weights)
