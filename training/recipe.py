"""A recipe: one YAML file is one study, validated whole before anything runs.

Lives here: the recipe's keys, and what they come to. Not here: groups of settings
(`transforms.settings`, `training.settings`), the file (`training.recipe_file`). Imports no torch.
"""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from training import recipe_checks
from training.settings.any_benchmark import AnyBenchmark
from training.settings.evaluation import EvaluationSettings
from training.settings.health import HealthSettings
from training.settings.judge import JudgeSettings
from training.settings.judged_benchmarks import JudgedSettings
from training.settings.loop import LoopSettings
from training.settings.model import ModelSettings
from training.settings.overrides import merge
from training.settings.promotion import PromotionSettings
from training.settings.stages import PreferenceModelSettings, RewardModelSettings, SFTSettings
from transforms.settings.frozen import Settings
from transforms.settings.prompts import PromptMapSettings, PromptSettings, SplitSettings
from transforms.settings.sample_task import SampleTaskSettings
from transforms.settings.sources import MixtureSource, OriginSettings, Role, SourceSettings
from transforms.sources.intake.mixtures import EVERYTHING
from transforms.sources.intake.sources import Source, resolve


class Recipe(Settings):
    """One study: model, data mixture, training, loop, evaluation, experiments."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Name of the study and of its lake's folder."""
    seed: int = Field(default=0, ge=0)
    """Seed of everything random: initial weights, data order, sampling, the sample task."""
    model: ModelSettings
    """The initial model."""
    sources: dict[str, SourceSettings] = Field(min_length=1)
    """Raw datasets by name; each becomes the table `raw_<name>`."""
    sample_task: SampleTaskSettings | None = None
    """The sample task, where a source or the gold reward uses it."""
    gold: bool = False
    """Evaluate with the sample task's gold reward; only its own prompts have one."""
    mixtures: dict[str, dict[str, MixtureSource]] = Field(default={})
    """Mixtures of preference sources by name. The mixture `all` is always there: every source
    whole, once."""
    offline_mixture: str = EVERYTHING
    """Mixture of the offline DPO baseline. The paper's is trained on Nectar alone."""
    prompts: PromptSettings = PromptSettings()
    """How the prompt collection is cleaned."""
    evaluation_sets: dict[str, OriginSettings] = Field(default={})
    """Evaluation sets by name (`transforms.prompts.evaluation_sets`); prompts share no item."""
    prompt_map: PromptMapSettings | None = None
    """Map of the prompt collection (paper, Figure 7); null draws none."""
    splits: SplitSettings = SplitSettings()
    """Held-out prompts."""
    sft: SFTSettings = SFTSettings()
    """Supervised fine-tuning."""
    reward_model: RewardModelSettings = RewardModelSettings()
    """Reward model."""
    reward_models: dict[str, dict[str, Any]] = Field(default={})
    """Further reward models by name, as overrides of `reward_model`, such as another mixture; an
    experiment takes one by `ranker: reward_model_<name>` (paper, Table 6)."""
    preference_model: PreferenceModelSettings | None = None
    """Pairwise preference model; null trains none."""
    judge: JudgeSettings | None = None
    """Chat model that compares responses by a rubric; null asks none."""
    loop: LoopSettings = LoopSettings()
    """The iterations."""
    reward_bench: dict[str, OriginSettings] = Field(default={})
    """Sets of labelled pairs by name (`transforms.benchmarks.reward_bench.sets`), on which the
    rankers are measured."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """Evaluation."""
    health: HealthSettings = HealthSettings()
    """Bounds that a run warns of before it trains on an iteration's pairs."""
    benchmarks: dict[str, AnyBenchmark] = Field(default={})
    """Benchmarks by name (paper, Table 3) that models are measured on after the loop. The recipe's
    judge scores AlpacaEval, MT-Bench and Arena-Hard."""
    promotion: PromotionSettings | None = None
    """When an experiment's selected policy becomes the current one; null decides nothing."""
    experiments: dict[str, dict[str, Any]] = Field(default={"iterative": {}}, min_length=1)
    """Named overrides of `loop`; each is a partition of every asset of the loop."""

    @field_validator("benchmarks", mode="before")
    @classmethod
    def _named_benchmarks(cls, benchmarks: Any) -> Any:
        """A benchmark that does not say which it is has its own name."""
        if not isinstance(benchmarks, Mapping):
            return benchmarks
        return {
            name: {"benchmark": name, **settings} if isinstance(settings, Mapping) else settings
            for name, settings in benchmarks.items()
        }

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        recipe_checks.check(self)
        return self

    def resolved_sources(self, role: Role | None = None) -> list[Source]:
        """Look the sources up in the catalogue, all or those with a role.

        Raises:
            ValueError: an entry, a role or an option that the catalogue does not have.
        """
        found = [resolve(name, settings) for name, settings in self.sources.items()]
        return [source for source in found if role in (None, source.role)]

    def trained_rankers(self) -> dict[str, RewardModelSettings | PreferenceModelSettings]:
        """Settings of the models that can rank responses, by asset."""
        base = self.reward_model.model_dump()
        rewards = {
            f"reward_model_{name}": RewardModelSettings.model_validate(merge(base, override))
            for name, override in self.reward_models.items()
        }
        models = {"reward_model": self.reward_model, **rewards}
        if self.preference_model is not None:
            models["preference_model"] = self.preference_model
        return models

    def refresh_of(self, loop: LoopSettings) -> RewardModelSettings:
        """Resolve the training settings of a refresh of the loop's reward model.

        Raises:
            ValueError: an override that no reward model has.
        """
        base = self.trained_rankers()[loop.ranker].model_dump()
        return RewardModelSettings.model_validate(merge(base, loop.feedback.reward_model))

    def judged_benchmarks(self) -> dict[str, JudgedSettings]:
        """Settings of the benchmarks that the judge scores, by name."""
        return {
            name: settings
            for name, settings in self.benchmarks.items()
            if isinstance(settings, JudgedSettings)
        }

    def rankers(self) -> list[str]:
        """Names that `loop.ranker` may have."""
        return [*self.trained_rankers(), *(["judge"] if self.judge else [])]

    def mixture(self, name: str) -> dict[str, MixtureSource]:
        """Look up the parts of a mixture."""
        if name == EVERYTHING:
            return {s.name: MixtureSource() for s in self.resolved_sources("preferences")}
        return self.mixtures[name]

    def loop_of(self, experiment: str) -> LoopSettings:
        """Resolve the loop settings of an experiment.

        Raises:
            KeyError: the recipe has no such experiment.
        """
        return LoopSettings.model_validate(
            merge(self.loop.model_dump(), self.experiments[experiment])
        )
