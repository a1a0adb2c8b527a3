"""A recipe: one YAML file is one study, validated whole before anything runs.

Lives here: the recipe's keys and its reading. Not here: single groups of settings, which lie
beside what they set (`transforms.settings`, `training.settings`). Imports no torch.
"""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from training.any_benchmark import AnyBenchmark
from training.health_settings import HealthSettings
from training.judge_settings import JudgeSettings
from training.judged_benchmark_settings import JudgedSettings
from training.promotion_settings import PromotionSettings
from training.settings import (
    EvaluationSettings,
    LoopSettings,
    ModelSettings,
    PreferenceModelSettings,
    RewardModelSettings,
    SFTSettings,
)
from transforms.errors import InputError
from transforms.intake.mixtures import EVERYTHING
from transforms.intake.sources import Source, resolve
from transforms.prompts.evaluation_texts import resolve_evaluation_set
from transforms.prompts.prompt_map_settings import PromptMapSettings
from transforms.prompts.prompt_settings import PromptSettings
from transforms.reward_bench.pairs import resolve_bench_set
from transforms.sample.task import SampleTaskSettings
from transforms.settings import (
    MixtureSource,
    OriginSettings,
    Role,
    Settings,
    SourceSettings,
    SplitSettings,
)

RESERVED = ("shared", "one_shot", "length_study", "current")
"""Names under which tables hold rows that are no experiment's of the recipe."""


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
    """Bench sets by name (`transforms.reward_bench.sets`) that the reward model is measured on."""
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
        sources = self.resolved_sources()
        roles = {source.role for source in sources}
        for role in ("demonstrations", "preferences", "prompts"):
            if role not in roles:
                raise ValueError(f"no source has the role {role}")
        self._check_mixtures({source.name for source in sources if source.role == "preferences"})
        for name, origin in self.evaluation_sets.items():
            resolve_evaluation_set(name, origin)
        for name, origin in self.reward_bench.items():
            resolve_bench_set(name, origin)
        if self.judge is None and (judged := [*self.judged_benchmarks()]):
            raise ValueError(f"benchmarks {', '.join(judged)}: a judge scores them; set `judge`")
        uses_task = self.gold or any(source.sample_task for source in self.sources.values())
        if uses_task and self.sample_task is None:
            raise ValueError(
                "a source or `gold` uses the sample task, but `sample_task` is not set"
            )
        if self.evaluation.selection_metric == "gold_reward" and not self.gold:
            raise ValueError("selection_metric is gold_reward, but `gold` is false")
        if self.promotion is not None:
            self._check_promotion(self.promotion)
        if self.loop.sampling.responses_per_prompt < 2:
            raise ValueError("loop.sampling.n is 1; a pair needs at least 2 responses")
        for experiment, override in self.experiments.items():
            if not experiment.replace("_", "").isalnum() or experiment in RESERVED:
                raise ValueError(
                    f"experiment name {experiment!r} is not allowed; use letters, digits and _"
                )
            if "iterations" in override:
                raise ValueError(
                    f"experiment {experiment} overrides iterations, which draws the graph"
                )
            loop = self.loop_of(experiment)
            if loop.sampling.responses_per_prompt < 2:
                raise ValueError(
                    f"experiment {experiment}: sampling.n is 1; a pair needs at least 2 responses"
                )
            ranker = loop.ranker
            if ranker == "judge" and loop.ranking.method != "round_robin":
                raise ValueError(
                    f"experiment {experiment}: a judge ranks by ranking.method round_robin only"
                )
            if ranker not in self.rankers():
                raise ValueError(
                    f"experiment {experiment} ranks by {ranker!r}; the rankers are "
                    f"{', '.join(self.rankers())}"
                )
            if loop.feedback is not None:
                self._check_feedback(experiment, loop)
        return self

    def _check_promotion(self, promotion: PromotionSettings) -> None:
        """Refuse a promotion by something that the recipe does not measure."""
        if promotion.metric in ("gold_reward", "win_rate_gold") and not self.gold:
            raise ValueError(f"promotion.metric is {promotion.metric}, but `gold` is false")
        if promotion.metric == "win_rate_judge" and self.judge is None:
            raise ValueError("promotion.metric is win_rate_judge, but there is no `judge`")
        if unknown := sorted(set(promotion.max_fall) - set(self.benchmarks)):
            raise ValueError(
                f"promotion.max_fall names {', '.join(unknown)}; the recipe's benchmarks are "
                f"{', '.join(self.benchmarks) or 'none'}"
            )

    def _check_feedback(self, experiment: str, loop: LoopSettings) -> None:
        """Refuse feedback without its oracle, or of a ranker that is no reward model."""
        there = {"gold": self.gold, "judge": self.judge is not None, "people": True}
        if not there[loop.feedback.oracle]:
            raise ValueError(
                f"experiment {experiment}: feedback.oracle is {loop.feedback.oracle}, which the "
                f"recipe does not have: set `{loop.feedback.oracle}`"
            )
        if not isinstance(self.trained_rankers().get(loop.ranker), RewardModelSettings):
            raise ValueError(
                f"experiment {experiment}: feedback refreshes a reward model, and ranker is "
                f"{loop.ranker!r}"
            )
        self.refresh_of(loop)

    def _check_mixtures(self, preferences: set[str]) -> None:
        if EVERYTHING in self.mixtures:
            raise ValueError(f"mixture {EVERYTHING} is every source; choose another name")
        for name, parts in self.mixtures.items():
            if unknown := sorted(set(parts) - preferences):
                raise ValueError(
                    f"mixture {name} names {', '.join(unknown)}; the sources of preferences are "
                    f"{', '.join(sorted(preferences))}"
                )
        used = {f"{name}.mixture": model.mixture for name, model in self.trained_rankers().items()}
        for key, name in {**used, "offline_mixture": self.offline_mixture}.items():
            if name != EVERYTHING and name not in self.mixtures:
                known = ", ".join([EVERYTHING, *self.mixtures])
                raise ValueError(f"{key} is {name!r}; the mixtures are {known}")

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


def merge(settings: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Lay an override over nested settings; mappings merge, everything else is replaced."""
    merged = dict(settings)
    for key, value in override.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if nested else value
    return merged


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Read and validate a recipe.

    Args:
        path: a YAML file. Relative paths in it are taken from its folder.
        overrides: `key.key=value` settings laid over the file; values are YAML.

    Raises:
        InputError: no such file, not YAML, an unknown key, or a value out of range; all are listed.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"recipe {path} cannot be read",
            expected="a YAML file",
            found="a folder" if path.is_dir() else "nothing there",
            remedy="name one of " + ", ".join(sorted(map(str, path.parent.glob("*.yaml"))))
            if path.parent.is_dir()
            else "check the path",
        )
    try:
        keys = yaml.safe_load(path.read_text(encoding="utf-8"))
        for override in overrides:
            keys = merge(keys, parse_override(override))
    except yaml.YAMLError as error:
        raise InputError(
            f"recipe {path} is not YAML",
            expected="YAML",
            found=str(error),
            remedy="mend the syntax there",
        ) from None
    if not isinstance(keys, dict):
        raise InputError(
            f"recipe {path} is not a recipe",
            expected="a mapping of settings",
            found=type(keys).__name__,
            remedy="start from recipes/quickstart.yaml",
        )
    try:
        recipe = Recipe.model_validate(keys)
    except ValidationError as error:
        raise _explain(path, error) from None
    return _resolve_files(recipe, path.parent)


def parse_override(override: str) -> dict[str, Any]:
    """Read `key.key=value` into nested settings.

    Raises:
        InputError: it is not of the form.
    """
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise InputError(
            "an override cannot be read",
            expected="key.key=value",
            found=override,
            remedy="for example --set loop.dpo.beta=0.05",
        )
    nested: Any = yaml.safe_load(value)
    for part in reversed(key.split(".")):
        nested = {part: nested}
    return nested


def _resolve_files(recipe: Recipe, folder: Path) -> Recipe:
    """Make the recipe's relative file names absolute."""

    def located(origins: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: origin.model_copy(
                update={"files": tuple(str((folder / file).resolve()) for file in origin.files)}
            )
            for name, origin in origins.items()
        }

    def beside(settings: Any) -> Any:
        config = settings.accelerate_config
        return settings.model_copy(
            update={"accelerate_config": config and str((folder / config).resolve())}
        )

    loop = recipe.loop.model_copy(
        update={name: beside(getattr(recipe.loop, name)) for name in ("dpo", "kto", "raft", "rloo")}
    )
    return recipe.model_copy(
        update={
            "sources": located(recipe.sources),
            "evaluation_sets": located(recipe.evaluation_sets),
            "reward_bench": located(recipe.reward_bench),
            "benchmarks": {
                name: settings.model_copy(update={"data": located(settings.data)})
                for name, settings in recipe.benchmarks.items()
            },
            "sft": beside(recipe.sft),
            "reward_model": beside(recipe.reward_model),
            "preference_model": recipe.preference_model and beside(recipe.preference_model),
            "loop": loop,
        }
    )


def _explain(path: Path, error: ValidationError) -> InputError:
    """Turn pydantic's errors into lines that name the key, what was found and what is allowed."""
    expected, found, remedies = [], [], []
    for problem in error.errors():
        key = ".".join(map(str, problem["loc"])) or "recipe"
        if problem["type"] == "extra_forbidden":
            allowed = _keys_beside(problem["loc"])
            close = difflib.get_close_matches(str(problem["loc"][-1]), allowed, n=1)
            expected.append(
                f"{key}: one of {', '.join(allowed)}" if allowed else f"{key}: no such key"
            )
            found.append(f"unknown key {key}")
            remedies.append(
                f"write {close[0]} for {problem['loc'][-1]}" if close else f"remove {key}"
            )
        else:
            expected.append(f"{key}: {problem['msg']}")
            found.append(
                f"{key} = {problem['input']!r}"
                if not isinstance(problem["input"], dict)
                else f"the keys below {key}"
            )
            remedies.append(f"mend {key}")
    return InputError(
        f"recipe {path} is refused",
        expected="; ".join(expected),
        found="; ".join(found),
        remedy="; ".join(remedies),
    )


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    """List the keys allowed where an unknown one was found; empty where it cannot be told."""
    model: Any = Recipe
    for part in location[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            return []
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next(
            (candidate for candidate in candidates if hasattr(candidate, "model_fields")), None
        )
    return sorted(getattr(model, "model_fields", {}))
