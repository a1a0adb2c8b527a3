"""A weighted sum of rewards as a ranker: its parts score one after the other, then are added.

Not here: the stored rewards of the parts, and their sum (`transforms.pairs.score_components`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from assets.loop.ranking.ranker import Commit, Ranker
from assets.materialize import Step
from training.settings.loop import LoopSettings
from transforms.identity import digest_settings
from transforms.pairs import score_components
from transforms.pairs.reuse import adopt_components

if TYPE_CHECKING:
    from training.evaluation import OpenChunks


@dataclass(frozen=True)
class SumRanker(Ranker):
    """A weighted sum of other rewards, whose parts are rows of `score_components`."""

    kind: ClassVar[str] = "sum"
    unranked_pairs: ClassVar[str] = "Pairs that one of its parts cannot score"
    parts: Mapping[str, Ranker]
    """Its parts by name, in the order of the recipe."""

    @property
    def weights(self) -> Mapping[str, float]:
        """Return the weights of its parts."""
        return self.settings.sum

    @property
    def own_settings(self) -> Mapping[str, Any]:
        """Return what its rewards depend on, besides its parts."""
        return {"sum": self.settings.sum}

    @property
    def assets(self) -> list[str]:
        """Return the assets of its parts."""
        return sorted({name for part in self.parts.values() for name in part.assets})

    @property
    def ranks_pairs(self) -> bool:
        """Return whether every part can score labelled pairs."""
        return all(part.ranks_pairs for part in self.parts.values())

    def prepare(self, step: Step, prompts: pl.DataFrame) -> None:
        """Refuse models and prompts that a part cannot score with."""
        for part in self.parts.values():
            part.prepare(step, prompts)

    def response_settings(self, loop: LoopSettings) -> dict[str, Any]:
        """Return its own settings, and those of its parts."""
        parts = {name: part.response_settings(loop) for name, part in self.parts.items()}
        return {"ranker": self.name, **self.own_settings, "parts": parts}

    def engine_settings(self, loop: LoopSettings) -> dict[str, Any]:
        """Return the engine of its reward models, if it has some."""
        return {
            name: value
            for part in self.parts.values()
            for name, value in part.engine_settings(loop).items()
        }

    def describe_parts(self) -> Mapping[str, Mapping[str, Any]]:
        """Return its parts with their weights."""
        return {
            name: {**described, "weight": self.weights[name]}
            for name, part in self.parts.items()
            for described in part.describe_parts().values()
        }

    def ranker_id(self, step: Step) -> str:
        """Return the hash of its own settings and of the ids of its parts."""
        ids = {name: part.ranker_id(step) for name, part in self.parts.items()}
        return digest_settings({**self.own_settings, "parts": ids})

    def list_components(self, step: Step) -> list[score_components.Identity]:
        """Return its parts, each with the ids of its own model or code and settings."""
        columns = {name: part.columns(step) for name, part in self.parts.items()}
        return [
            score_components.Identity(name, one["ranker_id"], one["ranking_id"])
            for name, one in columns.items()
        ]

    def rank(self, step: Step, rows: pl.DataFrame, commit: Commit) -> dict[str, Any]:
        """Score every response with every part, store the parts, and add them.

        Stored rewards of a part are used again, also if another weight or part has changed, and
        also those of other experiments for equal responses.
        """
        weights, identities = self.weights, self.list_components(step)
        score_components.set_weights(step.lake, rows, self.name, weights)
        metadata: dict[str, Any] = {}
        for identity in identities:
            name = identity.component
            store = score_components.Component(
                step.lake, identity, self.name, weights[name], step.commits
            )
            missing = store.find_missing(rows)
            if adopt_components(step.lake.live, store, missing):
                missing = store.find_missing(rows)
            step.log.info(f"{step.asset}: {missing.height} responses to score with {name}")
            if missing.height:
                with store.append_chunks(missing) as append:
                    made = self.rank_part(step, name, rows, missing, append)
                metadata |= {f"{name}_{key}": value for key, value in made.items()}
        commit(score_components.sum_components(step.lake, rows, weights, identities))
        return metadata

    def rank_part(
        self, step: Step, name: str, rows: pl.DataFrame, missing: pl.DataFrame, commit: Commit
    ) -> dict[str, Any]:
        """Score the responses that a part has not scored.

        Args:
            step: the asset's step.
            name: the part; those before it are stored for all rows.
            rows: all responses.
            missing: those without a stored reward of the part.
            commit: called with prompt_id, response_index, reward.
        """
        return self.parts[name].rank(step, missing, commit)

    def score(self, step: Step, rows: pl.DataFrame, open_chunks: "OpenChunks") -> pl.Series:
        """Score responses to held-out prompts with every part, and add them."""
        scored = {name: part.score(step, rows, open_chunks) for name, part in self.parts.items()}
        return score_components.add_rewards(scored, self.weights)

    def pair_settings(self) -> Mapping[str, Any]:
        """Return its own settings, and those of its parts."""
        parts = {name: dict(part.pair_settings()) for name, part in self.parts.items()}
        return {**self.own_settings, "parts": parts}

    def pair_rewards(self, step: Step, pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Score both sides of every pair with every part, and add them."""
        scored = {name: part.pair_rewards(step, pairs) for name, part in self.parts.items()}
        weights = {name: self.weights[name] for name in self.parts}
        return score_components.sum_pair_rewards(scored, weights)
