"""Rewards that a Python callable computes, as rankers: a function of the user, a verifier."""

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from assets.loop.ranking.ranker import Commit, Ranker
from assets.materialize import Step
from training.rewards.recorded_parts import describe_part
from training.settings.loop import LoopSettings
from training.settings.rewards.function_source import FunctionSource
from training.settings.rewards.reward import RewardSettings
from transforms.identity import digest_settings
from transforms.pairs.responses import convert_to_pair_rewards, convert_to_responses

if TYPE_CHECKING:
    from training.rewards.score_rows import Scorer


class CallableRanker(Ranker):
    """A reward that a callable computes in the process of the step."""

    engine: ClassVar[str] = "python"
    unranked_pairs: ClassVar[str] = "No pairs"
    settings: RewardSettings

    @abstractmethod
    def make_scorer(self) -> "Scorer":
        """Return the callable.

        Raises:
            InputError: it cannot be loaded.
        """

    def response_settings(self, loop: LoopSettings) -> dict[str, Any]:
        """Return the settings that rewards depend on; they do not depend on a dtype."""
        return {"ranker": self.name, **self.pair_settings()}

    def describe_parts(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the function and the hash of its code, or the verifier."""
        return {self.name: {"weight": 1.0, **describe_part(self.settings)}}

    def rank(self, step: Step, rows: pl.DataFrame, commit: Commit) -> dict[str, Any]:
        """Score every response."""
        from training.rewards.score_rows import score_rows

        run = score_rows(
            rows,
            self.make_scorer(),
            chunk_rows=step.loop.scoring.chunk_rows,
            commit=commit,
            description=step.asset,
        )
        return {"empty_responses": run.empty_responses}

    def pair_rewards(self, step: Step, pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Score both sides of every pair."""
        from training.models.token_counts import DROPPED

        chunks: list[pl.DataFrame] = []
        self.rank(step, convert_to_responses(pairs), chunks.append)
        return convert_to_pair_rewards(pairs, chunks), pl.DataFrame(schema=DROPPED)


class FunctionRanker(CallableRanker):
    """A Python function of the recipe; the code of its file is its version."""

    kind: ClassVar[str] = "function"

    @cached_property
    def source(self) -> FunctionSource:
        """Return the function's file, read once: what is hashed is what runs."""
        return self.settings.read_function()

    @property
    def ranks_pairs(self) -> bool:
        """Return false if the function needs the reference of a prompt."""
        return "reference" not in self.source.columns

    def ranker_id(self, step: Step) -> str:
        """Return the hash of its code."""
        return self.source.digest

    def pair_settings(self) -> Mapping[str, Any]:
        """Return the function's name, and the hash of its code."""
        return {"function": self.source.name, "code": self.source.digest}

    def make_scorer(self) -> "Scorer":
        """Run the function's file."""
        from training.rewards.function import load_function

        return load_function(self.source)


class VerifierRanker(CallableRanker):
    """A verifier, which compares responses with the references of their prompts."""

    kind: ClassVar[str] = "verifier"

    @property
    def ranks_pairs(self) -> bool:
        """Return false: labelled pairs have no reference."""
        return False

    def ranker_id(self, step: Step) -> str:
        """Return the hash of its name."""
        return digest_settings(self.pair_settings())

    def pair_settings(self) -> Mapping[str, Any]:
        """Return its name."""
        return {"verifier": self.settings.verifier}

    def make_scorer(self) -> "Scorer":
        """Return the verifier."""
        from training.rewards.verifier import make_scorer

        return make_scorer(self.settings.verifier or "")

    def prepare(self, step: Step, prompts: pl.DataFrame) -> None:
        """Refuse prompts whose reference the verifier cannot use."""
        from training.rewards.verifier import require_references

        labels = [f"prompt {prompt}" for prompt in prompts["prompt_id"]]
        require_references(self.settings.verifier or "", prompts, labels)
