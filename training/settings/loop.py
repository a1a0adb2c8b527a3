"""Settings of the loop, which an experiment may override. Imports no torch."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from training.settings.feedback import FeedbackSettings
from training.settings.objectives import ObjectiveSettings
from training.settings.rankers import find_kind
from training.settings.sampling import SamplingSettings
from training.settings.scoring import RankingSettings, ScoringSettings
from training.settings.training import TrainingSettings
from transforms.pairs.objectives import OBJECTIVES
from transforms.settings.pairs import PairSettings


class PromptRoom(NamedTuple):
    """What a prompt must leave room for, over all experiments."""

    prompt_tokens: int
    """Smallest max_context_tokens - max_tokens."""
    response_tokens: int
    """Largest max_tokens."""
    compared_tokens: int
    """Largest sum of two responses that a preference model reads at once; 0 without one."""

    @classmethod
    def find(cls, loops: Sequence["LoopSettings"]) -> Self:
        """Return what the prompts of some loops must leave room for."""
        samplings = [loop.sampling for loop in loops]
        return cls(
            min(one.max_context_tokens - one.max_tokens for one in samplings),
            max(one.max_tokens for one in samplings),
            max(2 * one.sampling.max_tokens * find_kind(one.ranker).reads_pairs for one in loops),
        )


class LoopSettings(ObjectiveSettings):
    """The iterations. An experiment may override any key below `loop`, and nothing else."""

    iterations: int = Field(default=3, ge=1, le=99)
    """T, the number of iterations. Paper: 3. It decides the graph, so an experiment cannot override
    it."""
    sampling: SamplingSettings = SamplingSettings()
    """How responses are sampled."""
    ranker: str = "reward_model"
    """Ranker of the responses: `reward_model`, `reward_model_<name>` for one of the recipe's
    `reward_models`, `ensemble`, `ensemble_<name>` for one of its `ensembles`, `preference_model`,
    `judge`, or the name of one of the recipe's `rewards`."""
    feedback: FeedbackSettings | None = None
    """Fresh labels in every iteration, on which the reward model of `ranker` is trained further;
    null: it is not trained further."""
    scoring: ScoringSettings = ScoringSettings()
    """How a reward model or another reward scores the responses."""
    ranking: RankingSettings = RankingSettings()
    """How a preference model or a judge compares the responses."""
    pairs: PairSettings = PairSettings()
    """How scored responses become pairs."""
    reference: Literal["initial", "previous"] = "initial"
    """Reference policy of DPO, KTO and RLOO. Paper: "always π₀"; the published scripts
    use the policy of the previous iteration."""
    start: Literal["previous", "initial"] = "previous"
    """Weights that the training of an iteration starts from. Paper: the policy of the previous
    iteration."""
    data: Literal["current", "accumulated"] = "current"
    """Pairs that an iteration trains on: its own (as published), or the pairs of all iterations so
    far (Figure 6)."""

    @model_validator(mode="after")
    def _require_fitting_objective(self) -> Self:
        self.resolve_training()  # refuses groups of settings that do not fit together
        if not OBJECTIVES[self.objective].computes_rewards:
            return self
        kind = find_kind(self.ranker)
        if not kind.scores_alone:
            raise ValueError(
                f"{self.objective} needs a reward for each response alone, and the ranker"
                f" {self.ranker} compares the responses of a prompt: use a reward model or one of"
                " `rewards`"
            )
        if self.feedback is not None:
            raise ValueError(
                f"{self.objective} stores no responses, so feedback would have no pairs to label"
            )
        return self

    @model_validator(mode="after")
    def _require_fitting_first_objective(self) -> Self:
        if self.first_objective is None:
            return self
        if self.first_objective == self.objective:
            raise ValueError(f"first_objective is {self.objective}, as objective: leave it out")
        names = [self.first_objective, self.objective]
        if without := [name for name in names if not OBJECTIVES[name].iteration_tables]:
            raise ValueError(
                f"first_objective and objective both need stored responses; {without[0]} has none"
            )
        self.at_iteration(1).resolve_training()
        return self

    @model_validator(mode="after")
    def _require_adaptive_scores(self) -> Self:
        if self.sampling.adaptive is None:
            return self
        if not find_kind(self.ranker).scores_alone or self.feedback is not None:
            raise ValueError(
                "sampling.adaptive scores between rounds, with a reward model that exists before"
                " the loop or with one of `rewards`: it allows no other ranker and no feedback"
            )
        if self.pairs.length_penalty == "calibrated":
            raise ValueError("sampling.adaptive needs pairs.length_penalty as a number")
        return self

    def at_iteration(self, iteration: int) -> Self:
        """Return the settings of an iteration, with its own objective; 0: outside the loop."""
        own: dict[str, str | None] = {"first_objective": None}
        if iteration == 1 and self.first_objective is not None:
            own["objective"] = self.first_objective
        return self.model_copy(update=own)

    @property
    def objectives(self) -> tuple[str, ...]:
        """The objectives of the iterations, in their order."""
        first = self.first_objective
        return (self.objective,) if first is None else (first, self.objective)

    @property
    def has_responses(self) -> bool:
        """Whether the responses of an iteration are stored; a policy gradient stores none."""
        return bool(OBJECTIVES[self.objective].iteration_tables)

    def resolve_training(self) -> TrainingSettings:
        """Return the training settings of `objective`."""
        return getattr(self, self.objective).complete_from_loop(self)
