"""Reward models as rankers: each gives every response a Bradley-Terry reward of its own."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from assets.loop.ranking.ranker import Commit, Ranker
from assets.loop.ranking.trained_ranker import TrainedRanker
from assets.materialize import Step
from training.models.checkpoint import hash_checkpoint, identify_model
from training.rewards.recorded_parts import describe_part
from training.settings.loop import LoopSettings
from training.settings.rewards.reward import RewardSettings

if TYPE_CHECKING:
    from training.engine.chunk_folder import ChunkFolder
    from training.evaluation import OpenChunks


class RewardModelRanker(TrainedRanker):
    """The recipe's reward model, one of its variants, or the refreshed one of an iteration."""

    kind: ClassVar[str] = "reward_model"
    training: ClassVar[str] = (
        "Bradley-Terry reward model: π₀ with a scalar head, trained on preference pairs."
    )

    def engine_settings(self, loop: LoopSettings) -> dict[str, Any]:
        """Return the engine."""
        return loop.scoring.dump_decisive()

    def rank(self, step: Step, rows: pl.DataFrame, commit: Commit) -> dict[str, Any]:
        """Score every response."""
        return _score(step, self.checkpoint(step).path, rows, commit)

    def score(self, step: Step, rows: pl.DataFrame, open_chunks: "OpenChunks") -> pl.Series:
        """Score responses to held-out prompts; the model is loaded once."""
        return _score_rows(
            step, self.checkpoint(step).path, rows, open_chunks(f"rewards_{self.name}")
        )

    def pair_rewards(self, step: Step, pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Score both sides of every pair."""
        return _score_pairs(step, self.checkpoint(step).path, self.settings.max_tokens, pairs)


class GivenModelRanker(Ranker):
    """A reward model that the recipe brings, from a folder or the hub."""

    kind: ClassVar[str] = "given_model"
    unranked_pairs: ClassVar[str] = "Pairs longer than the model's context"
    settings: RewardSettings

    @cached_property
    def folder(self) -> Path:
        """Return the model's folder; one of the hub is downloaded."""
        from training.rewards.given_model import find_folder

        return find_folder(self.settings.path or "", self.settings.revision)

    def prepare(self, step: Step, prompts: pl.DataFrame) -> None:
        """Download a model of the hub; refuse one that cannot score what is sampled."""
        from training.rewards.given_model import check_folder

        recipe, name = step.study.recipe, self.name
        check_folder(self.folder, recipe.list_scored_loops(name), recipe.list_refreshes(name))

    def response_settings(self, loop: LoopSettings) -> dict[str, Any]:
        """Return the settings that rewards depend on: also the model and its files."""
        return {**super().response_settings(loop), **self.pair_settings()}

    def engine_settings(self, loop: LoopSettings) -> dict[str, Any]:
        """Return the engine."""
        return loop.scoring.dump_decisive()

    def describe_parts(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the model, its revision and files."""
        return {self.name: {"weight": 1.0, **describe_part(self.settings)}}

    @cached_property
    def checkpoint_id(self) -> str:
        """Return the hash of its weights and tokenizer, which are read once per step."""
        return hash_checkpoint(self.folder)

    def ranker_id(self, step: Step) -> str:
        """Return the hash of its weights and tokenizer."""
        return self.checkpoint_id

    def rank(self, step: Step, rows: pl.DataFrame, commit: Commit) -> dict[str, Any]:
        """Score every response."""
        return _score(step, self.folder, rows, commit)

    def score(self, step: Step, rows: pl.DataFrame, open_chunks: "OpenChunks") -> pl.Series:
        """Score responses to held-out prompts; the model is loaded once."""
        return _score_rows(step, self.folder, rows, open_chunks(f"rewards_{self.name}"))

    def pair_settings(self) -> Mapping[str, Any]:
        """Return the model, its revision and files, and its dtype."""
        return {
            "path": identify_model(self.settings.path),
            "revision": self.settings.revision,
            "dtype": self.study.recipe.model.dtype,
        }

    def pair_rewards(self, step: Step, pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Score both sides of every pair."""
        from training.models.loading.config import read_context_tokens

        return _score_pairs(step, self.folder, read_context_tokens(self.folder), pairs)


def _score(step: Step, folder: Path, rows: pl.DataFrame, commit: Commit) -> dict[str, Any]:
    """Score responses with the reward model of a folder."""
    from training.scoring import score

    run = score(
        rows,
        folder,
        step.loop.scoring,
        dtype=step.dtype,
        commit=commit,
        devices=step.devices,
        description=step.asset,
    )
    return {
        "rows_per_s": run.responses / run.elapsed_s,
        "empty_responses": run.empty_responses,
    }


def _score_rows(
    step: Step, folder: Path, rows: pl.DataFrame, chunks: "ChunkFolder | None"
) -> pl.Series:
    """Score responses of an evaluation with the reward model of a folder."""
    from training.evaluation import score_rows

    scoring = step.study.recipe.loop.scoring  # equal for all experiments
    return score_rows(rows, folder, scoring, dtype=step.dtype, devices=step.devices, chunks=chunks)


def _score_pairs(
    step: Step, folder: Path, max_tokens: int, pairs: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Score both sides of the pairs that are not too long with the reward model of a folder."""
    from training.scoring import score_pairs, split_by_length

    read, too_long = split_by_length(pairs, folder, max_tokens)
    rewards = score_pairs(read, folder, step.loop.scoring, dtype=step.dtype, devices=step.devices)
    return rewards, too_long
