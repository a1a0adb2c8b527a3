"""Experiments of a recipe: their loops, and what those need of its other keys."""

from typing import Self

from pydantic import model_validator

from training.recipe.rankers import RecipeRankers, override_settings
from training.settings.experiments import (
    require_allowed,
    require_consistent,
    require_context,
    require_judge_room,
    require_room,
)
from training.settings.loop import LoopSettings, PromptRoom
from training.settings.rewards.checks import list_parts
from training.settings.stages import RewardModelSettings


class RecipeExperiments(RecipeRankers):
    """A recipe whose experiments can run."""

    @model_validator(mode="after")
    def _require_consistent_experiments(self) -> Self:
        if self.loop.sampling.responses_per_prompt < 2:
            raise ValueError("loop.sampling.n is 1; a pair needs at least 2 responses")
        for name, override in self.experiments.items():
            require_allowed(name, override)
            loop = self.resolve_loop(name)
            require_consistent(
                name,
                loop,
                rankers=[*self.resolve_rankers()],
                oracles=[
                    *(["gold"] if self.gold else []),
                    *(["judge"] if self.judge else []),
                    "people",
                ],
            )
            if loop.feedback is not None:
                self.resolve_refresh(loop)
                if loop.feedback.replay and not self.has_pairs:
                    raise ValueError(
                        f"experiment {name}: feedback.replay adds pairs of the sources, and no"
                        " source has the role preferences: set feedback.replay: 0"
                    )
            self._require_references(name, loop)
            self._require_room(name, loop)
        self._require_references("shared", self.loop)
        self._require_room("shared", self.loop)
        if self.evaluation_reward not in self.resolve_rankers():
            raise ValueError(
                f"the evaluation needs rewards of single responses, and loop.ranker"
                f" {self.loop.ranker} gives none: set reward_model, or another loop.ranker"
            )
        return self

    def _require_room(self, experiment: str, loop: LoopSettings) -> None:
        """Refuse a loop whose trainings or whose judge cannot read what it samples."""
        require_room(experiment, loop)
        asks = "judge" in (loop.ranker, loop.feedback and loop.feedback.oracle)
        if self.judge is not None and asks:
            require_judge_room(experiment, loop, self.judge)

    def _require_references(self, experiment: str, loop: LoopSettings) -> None:
        """Refuse a loop that ranks by a verifier if prompts of a source have no reference."""
        parts = list_parts(self.resolve_rankers(), loop.ranker)
        verifiers = [name for name in parts if name in self.rewards and self.rewards[name].verifier]
        without = [s.name for s in self.resolve_sources("prompts") if not s.has_references]
        if verifiers and without:
            raise ValueError(
                f"experiment {experiment} ranks by the verifier {verifiers[0]}, and prompts of"
                f" {', '.join(without)} have no reference: set sources.{without[0]}.reference or"
                f" sources.{without[0]}.instructions"
            )

    @model_validator(mode="after")
    def _require_context_of_tiny(self) -> Self:
        if self.model.tiny is not None:
            self.require_context(self.model.tiny.context_tokens)
        return self

    def require_context(self, context_tokens: int) -> None:
        """Refuse token limits that are larger than the context of the initial model.

        Raises:
            InputError: the message lists the settings.
        """
        require_context(
            context_tokens,
            trained={
                **({"sft": self.sft} if self.sft else {}),
                **self.resolve_trained_rankers(),
                **({"loop.dpo": self.loop.dpo} if self.has_pairs else {}),
                **{  # of several, the one that reads most
                    f"{name}.feedback.reward_model": settings
                    for name in self.resolve_trained_rankers()
                    for settings in sorted(
                        self.list_refreshes(name), key=lambda one: one.max_tokens
                    )
                },
            },
            loop=self.loop,
            experiments={name: self.resolve_loop(name) for name in self.experiments},
            benchmarks=self.benchmarks,
        )

    def find_prompt_room(self) -> PromptRoom:
        """Return what a prompt must leave room for in the recipe's loop and all experiments."""
        return PromptRoom.find(self.list_loops())

    def list_loops(self) -> list[LoopSettings]:
        """Return the loop settings of the recipe itself and of each experiment."""
        return [self.loop, *map(self.resolve_loop, self.experiments)]

    def list_scored_loops(self, reward: str) -> list[LoopSettings]:
        """Return the loops whose responses a reward of the recipe scores, alone or as a part."""
        rankers = self.resolve_rankers()
        evaluated = {*self.evaluation.rewards, *list_parts(rankers, self.evaluation_reward)}
        loops = [loop for loop in self.list_loops() if reward in list_parts(rankers, loop.ranker)]
        return [*loops, *([self.loop] if reward in evaluated else [])]

    def list_refreshes(self, model: str) -> list[RewardModelSettings]:
        """Return the settings of the trainings in which feedback trains a reward model further."""
        loops = [loop for loop in self.list_loops() if loop.feedback]
        return [self.resolve_refresh(one) for one in loops if self.find_refreshed(one) == model]

    def resolve_loop(self, experiment: str) -> LoopSettings:
        """Return the loop settings of an experiment.

        Raises:
            KeyError: the recipe has no such experiment.
            InputError: its override is not valid; the error lists all problems.
        """
        return override_settings(
            self.loop, self.experiments[experiment], f"experiments.{experiment}"
        )
