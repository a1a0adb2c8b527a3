"""Rankers of a recipe: those that it trains, its judge, and the rewards that it brings."""

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from pydantic import ValidationError, model_validator

from training.recipe.sources import RecipeSources
from training.settings.judge import JudgeSettings
from training.settings.loop import LoopSettings
from training.settings.rankers import RANKER_KINDS, find_kind
from training.settings.rewards.checks import (
    find_refreshed,
    require_evaluation_rewards,
    require_rewards,
)
from training.settings.rewards.ensemble import EnsembleSettings, require_members
from training.settings.stages import RewardModelSettings, TrainedRankerSettings
from transforms.settings.frozen import Settings
from transforms.settings.overrides import merge
from transforms.settings.validation_errors import convert_validation_error
from transforms.sources.intake.mixtures import require_mixtures

Group = TypeVar("Group", bound=Settings)


def override_settings(settings: Group, override: Mapping[str, Any], key: str) -> Group:
    """Apply an override to settings and validate the result; `key` is the override's key.

    Raises:
        InputError: the override is not valid; the error lists all problems.
    """
    try:
        return type(settings).model_validate(
            merge(settings.model_dump(exclude_unset=True), override)
        )
    except ValidationError as error:
        raise convert_validation_error(
            error, f"{key} is refused", model=type(settings), prefix=key
        ) from None


class RecipeRankers(RecipeSources):
    """A recipe whose models before the loop have the data that they need."""

    @model_validator(mode="after")
    def _require_training_data(self) -> Self:
        trained = self.resolve_trained_rankers()
        roles = {role for source in self.resolve_sources() for role in source.roles}
        readers = {
            "sft": "demonstrations" if self.sft else "",
            "model.tiny": "demonstrations" if self.model.tiny else "",
            **{find_kind(name).name: "preferences" for name in trained},
        }
        for key, role in readers.items():
            if role and role not in roles:
                raise ValueError(
                    f"no source has the role {role}, which {key} needs; add one, or set {key} to"
                    " null"
                )
        used = {f"{name}.mixture": model.mixture for name, model in trained.items()}
        require_mixtures(
            self.mixtures,
            preferences=[source.name for source in self.resolve_sources("preferences")],
            used={**used, "offline_mixture": self.offline_mixture},
        )
        return self

    @model_validator(mode="after")
    def _require_rewards(self) -> Self:
        trained = self.resolve_trained_rankers()
        require_rewards(self.rewards, trained=trained)
        require_evaluation_rewards(
            self.evaluation.rewards,
            self.rewards,
            trained=trained,
            has_references=any(s.has_references for s in self.resolve_sources("prompts")),
        )
        for kind in RANKER_KINDS:
            if kind.variants and getattr(self, kind.variants) and getattr(self, kind.name) is None:
                raise ValueError(f"{kind.variants} are overrides of {kind.name}, which is null")
        for name, settings in self.resolve_rankers().items():
            if isinstance(settings, EnsembleSettings):
                require_members(name, settings, trained)
        return self

    def resolve_rankers(self) -> dict[str, Settings]:
        """Return the settings of all rankers by name, a value of `loop.ranker`."""
        found: dict[str, Settings] = {}
        for kind in RANKER_KINDS:
            if kind.is_named:
                found |= getattr(self, kind.name)
                continue
            settings: Settings | None = getattr(self, kind.name, None)
            if settings is None:
                continue
            found[kind.name] = settings
            if kind.variants is None:
                continue
            for name, override in getattr(self, kind.variants).items():
                key = f"{kind.variants}.{name}"
                found[f"{kind.name}_{name}"] = override_settings(settings, override, key)
        return found

    def resolve_trained_rankers(self) -> dict[str, TrainedRankerSettings]:
        """Return the settings of all trained rankers by name, which is also their asset's."""
        rankers = self.resolve_rankers().items()
        return {name: one for name, one in rankers if isinstance(one, TrainedRankerSettings)}

    def resolve_judge(self) -> JudgeSettings | None:
        """Return the judge's settings; one with a path has its own GPUs or those of the recipe."""
        if self.judge is None or self.judge.path is None or self.judge.devices is not None:
            return self.judge
        return self.judge.model_copy(update={"devices": self.devices})

    def find_refreshed(self, loop: LoopSettings) -> str:
        """Return the reward model that a loop's feedback trains further: its ranker, or a part.

        Raises:
            ValueError: the ranker has no reward model, or several.
        """
        return find_refreshed(self.resolve_rankers(), loop.ranker)

    def resolve_refresh(self, loop: LoopSettings) -> RewardModelSettings:
        """Return the settings for training the loop's reward model further on feedback.

        They are overrides of those that it was trained with; of the defaults, if `rewards` has it.

        Raises:
            InputError: an override that a reward model does not have.
            ValueError: the loop has no feedback, or its ranker has no reward model or several.
        """
        trained = self.resolve_trained_rankers()
        base = trained.get(self.find_refreshed(loop), RewardModelSettings())
        if loop.feedback is None or not isinstance(base, RewardModelSettings):
            raise ValueError("no feedback is set")
        return override_settings(base, loop.feedback.reward_model, "feedback.reward_model")

    @property
    def evaluation_reward(self) -> str:
        """The ranker whose rewards compare the policies: the loop's, if it scores single responses.

        Otherwise it is the reward model.
        """
        return self.loop.ranker if find_kind(self.loop.ranker).scores_alone else "reward_model"

    @property
    def trains_reward_model(self) -> bool:
        """Whether a reward model is made from the initial model."""
        rankers = self.resolve_trained_rankers().values()
        return any(isinstance(one, RewardModelSettings) for one in rankers)
