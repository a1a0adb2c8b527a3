"""The interface of a ranker: its inputs and settings, and the ranking of responses and pairs.

A new kind of ranker is a subclass in a file of this folder, its entry in
`assets.loop.ranking.registry` and its `RankerKind` in `training.settings.rankers`; if it has
settings, also a key in `training.recipe`. A ranker that calls a plain function needs no settings.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from assets.compared_settings import select_compared
from assets.materialize import Step
from assets.study import Study
from training.settings.loop import LoopSettings
from transforms.identity import digest_settings
from transforms.pairs.responses import hash_references
from transforms.pairs.score_components import Identity

if TYPE_CHECKING:
    from training.evaluation import OpenChunks

Commit = Callable[[pl.DataFrame], Any]


@dataclass(frozen=True)
class Ranker(ABC):
    """A ranker of a study."""

    kind: ClassVar[str]
    """Name of its `training.settings.rankers.RankerKind`."""
    engine: ClassVar[str] = "pytorch"
    """Label of its assets in the lineage graph."""
    checks: ClassVar[Sequence[str]] = ()
    """Files of `sql/checks` for an asset that ranks labelled pairs."""
    unranked_pairs: ClassVar[str]
    """Description of the labelled pairs without a reward, for the asset's page."""

    study: Study
    name: str
    """Value of `loop.ranker`, or the asset of a refreshed reward model of an iteration."""
    settings: Any
    """Its settings in the recipe."""

    @property
    def assets(self) -> list[str]:
        """Return the names of the assets that it reads."""
        return []

    @property
    def mixture(self) -> str:
        """Return the mixture of its training pairs; empty for a ranker without training."""
        return ""

    @property
    def ranks_pairs(self) -> bool:
        """Return whether it ranks labelled pairs, whose prompts have no reference."""
        return True

    def response_settings(self, loop: LoopSettings) -> dict[str, Any]:
        """Return the settings that rewards of responses depend on, besides its weights."""
        dtype = self.study.recipe.model.dtype
        return {"ranker": self.name, "dtype": dtype, **self.engine_settings(loop)}

    def engine_settings(self, loop: LoopSettings) -> dict[str, Any]:
        """Return what computes the rewards of its model, if it is not the default engine."""
        return {}

    def describe_parts(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the settings of the rewards whose sum it is, for a training that computes them.

        Returns:
            By name: the weight; and the `asset` of a model that the study trains, or the settings
            of the reward with the versions of its files (`training.rewards.recorded_parts`).

        Raises:
            TypeError: it compares the responses of a prompt.
        """
        raise TypeError(f"{self.name} gives no rewards of single responses")

    def columns(self, step: Step) -> dict[str, str]:
        """Return its columns of `scores`.

        A ranker that reads references has another `ranking_id` if one of them has changed, so that
        stored scores belong to the present ones.

        Raises:
            InputError: its model is missing.
        """
        settings = select_compared(self.response_settings(step.loop))
        if not self.ranks_pairs:
            settings["references"] = hash_references(step.lake)
        return {
            "ranker": self.name,
            "ranker_id": self.ranker_id(step),
            "ranking_id": digest_settings(settings),
        }

    def list_components(self, step: Step) -> list[Identity]:
        """Return its parts, if it is a weighted sum, as they are stored in `score_components`.

        Raises:
            InputError: the model of a part is missing.
        """
        return []

    def prepare(  # noqa: B027
        self, step: Step, prompts: pl.DataFrame
    ) -> None:
        """Refuse a model that cannot rank, and prompts whose responses it could not rank.

        It is called before responses are sampled, which takes hours. A model of the hub is
        downloaded.

        Args:
            step: the asset's step.
            prompts: prompt_id, reference of the prompts whose responses it will rank.

        Raises:
            InputError: the first fault of the model, or the first such prompt.
        """

    @abstractmethod
    def ranker_id(self, step: Step) -> str:
        """Return the id of its weights, of its judge, or of its code.

        Raises:
            InputError: its model is missing.
        """

    @abstractmethod
    def rank(self, step: Step, rows: pl.DataFrame, commit: Commit) -> dict[str, Any]:
        """Rank responses.

        Args:
            step: the asset's step.
            rows: `transforms.pairs.responses.read_with_prompts`; of labelled pairs only prompt_id,
                response_index, prompt, response.
            commit: called with prompt_id, response_index, reward, chunk by chunk.

        Returns:
            Metadata of the run for the asset's page.
        """

    def score(self, step: Step, rows: pl.DataFrame, open_chunks: "OpenChunks") -> pl.Series:
        """Score responses to held-out prompts, whose rewards are not stored in `scores`.

        Args:
            step: the asset's step.
            rows: those of `training.evaluation.ScoreResponses`.
            open_chunks: opens the folder that keeps the rewards of an interrupted call.

        Returns:
            Rewards in the order of the rows.
        """
        from training.evaluation import rank_decodings

        return rank_decodings(rows, partial(self.rank, step), open_chunks(f"rewards_{self.name}"))

    @abstractmethod
    def pair_settings(self) -> Mapping[str, Any]:
        """Return the settings that rewards of labelled pairs depend on, besides its weights."""

    @abstractmethod
    def pair_rewards(self, step: Step, pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Rank labelled pairs.

        Args:
            step: the asset's step.
            pairs: pair_id, prompt, chosen, rejected, and other columns.

        Returns:
            Rewards: pair_id, chosen_reward, rejected_reward. Pairs without a reward: row_key,
            reason, evidence.
        """
