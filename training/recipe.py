"""A recipe: the keys of one study, checked against each other before anything runs.

Not here: the groups of settings and their bounds (`transforms.settings`, `training.settings`), the
YAML file (`training.recipe_file`). Imports no torch.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from training.settings.benchmarks import LOOP_MODELS, AnyBenchmark, JudgedSettings
from training.settings.evaluation import EvaluationSettings
from training.settings.experiments import require_allowed, require_consistent, require_context
from training.settings.health import HealthSettings
from training.settings.judge import JudgeSettings
from training.settings.loop import LoopSettings, PromptRoom
from training.settings.model import DeviceSettings, ModelSettings
from training.settings.plan.plan import PlanSettings
from training.settings.promotion import PromotionSettings
from training.settings.rankers import RANKER_KINDS, find_kind
from training.settings.rewards.checks import (
    find_refreshed,
    list_parts,
    require_evaluation_rewards,
    require_rewards,
)
from training.settings.rewards.reward import RewardSettings
from training.settings.stages import (
    PreferenceModelSettings,
    RewardModelSettings,
    SFTSettings,
    TrainedRankerSettings,
)
from transforms.benchmarks.reward_bench.pairs import resolve_bench_set
from transforms.lake.asset_names import BASELINES, INITIAL_POLICIES, OFFLINE
from transforms.lake.schemas.preferences import RAW
from transforms.lake.schemas.records import COMPUTED
from transforms.prompts.evaluation_texts import resolve_evaluation_set
from transforms.settings.frozen import Settings
from transforms.settings.names import Name
from transforms.settings.overrides import merge
from transforms.settings.prompts import PromptMapSettings, PromptSettings, SplitSettings
from transforms.settings.sample_task import SampleTaskSettings
from transforms.settings.sources import MixtureSource, OriginSettings, Role, SourceSettings
from transforms.settings.validation_errors import convert_validation_error
from transforms.sources.intake.mixtures import EVERYTHING, require_mixtures
from transforms.sources.intake.sources import Source, resolve

Group = TypeVar("Group", bound=Settings)


def _override(settings: Group, override: Mapping[str, Any], key: str) -> Group:
    """Apply an override to settings and validate the result; `key` is the override's key."""
    try:
        return type(settings).model_validate(merge(settings.model_dump(), override))
    except ValidationError as error:
        raise convert_validation_error(
            error, f"{key} is refused", model=type(settings), prefix=key
        ) from None


class Recipe(Settings):
    """The description of one study: model, sources, training, loop, evaluation, experiments."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Name of the study and of its lake's folder."""
    seed: int = Field(default=0, ge=0)
    """Seed of all random steps: initial weights, data order, sampling, the sample task."""
    model: ModelSettings
    """The initial model."""
    devices: DeviceSettings = DeviceSettings()
    """GPUs of every stage that runs a model without training it: sampling, scores, comparisons,
    log-probabilities, evaluation, a judge with a path. They change no id."""
    report_to: tuple[Literal["tensorboard", "wandb", "mlflow", "trackio"], ...] = ()
    """Trackers that get the metrics of every training while it runs, and the figures of every
    evaluation by iteration; the project is the study, a
    run is an experiment and an asset. TensorBoard's files are in the lake's folder `tensorboard`;
    the others send the metrics to their service. They change no id."""
    sources: dict[Name, SourceSettings] = Field(min_length=1)
    """Raw datasets by name; each becomes the table `raw_<name>`."""
    sample_task: SampleTaskSettings | None = None
    """The sample task; required if a source or the gold reward uses it."""
    gold: bool = False
    """Evaluate with the gold reward of the sample task; other prompts have no gold reward."""
    mixtures: dict[Name, dict[str, MixtureSource]] = Field(default={})
    """Mixtures of preference sources by name. The mixture `all` always exists: all rows of
    every source, once."""
    offline_mixture: str = EVERYTHING
    """Mixture of the offline DPO baseline. In the paper it is Nectar alone."""
    prompts: PromptSettings = PromptSettings()
    """Cleaning of the prompt collection."""
    evaluation_sets: dict[Name, OriginSettings] = Field(default={})
    """Evaluation sets by name (`transforms.prompts.evaluation_texts`). Prompts that share an n-gram
    with an item are dropped."""
    prompt_map: PromptMapSettings | None = None
    """Map of the prompt collection (paper, Figure 7); null: no map."""
    splits: SplitSettings = SplitSettings()
    """Held-out prompts."""
    sft: SFTSettings | None = SFTSettings()
    """Supervised fine-tuning, which makes pi_0; null: pi_0 is the initial model, and no
    demonstrations are needed."""
    reward_model: RewardModelSettings | None = RewardModelSettings()
    """Reward model; null: none is trained, and `loop.ranker` names another ranker."""
    reward_models: dict[Name, dict[str, Any]] = Field(default={})
    """Further reward models by name, as overrides of `reward_model`, such as another mixture. An
    experiment uses one with `ranker: reward_model_<name>` (paper, Table 6)."""
    preference_model: PreferenceModelSettings | None = None
    """Pairwise preference model; null: none is trained."""
    judge: JudgeSettings | None = None
    """Chat model that compares responses by a rubric; null: no judge."""
    rewards: dict[Name, RewardSettings] = Field(default={})
    """Rewards that are not trained here, by name: models, Python functions, verifiers, and weighted
    sums. An experiment uses one with `ranker: <name>`."""
    loop: LoopSettings = LoopSettings()
    """The iterations."""
    reward_bench: dict[Name, OriginSettings] = Field(default={})
    """Sets of labelled pairs by name (`transforms.public_sets`), on which the
    rankers are measured."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """Evaluation."""
    health: HealthSettings = HealthSettings()
    """Bounds of the figures of an iteration's pairs; a run warns if one is exceeded."""
    benchmarks: dict[Name, AnyBenchmark] = Field(default={})
    """Benchmarks by name (paper, Table 3) that models are measured on after the loop. The recipe's
    judge scores AlpacaEval, MT-Bench and Arena-Hard."""
    promotion: PromotionSettings | None = None
    """Conditions for an experiment's selected policy to become the current one; null: none does."""
    plan: PlanSettings = PlanSettings()
    """Facts for `prefloop plan`."""
    experiments: dict[Name, dict[str, Any]] = Field(default={"iterative": {}}, min_length=1)
    """Named overrides of `loop`; each is a partition of every asset of the loop."""

    @field_validator("benchmarks", mode="before")
    @classmethod
    def _complete_names(cls, benchmarks: Any) -> Any:
        """Use a benchmark's name in the recipe as the name of its set if `benchmark` is missing."""
        if not isinstance(benchmarks, Mapping):
            return benchmarks
        return {
            name: {"benchmark": name, **settings} if isinstance(settings, Mapping) else settings
            for name, settings in benchmarks.items()
        }

    @model_validator(mode="after")
    def _require_known_sources(self) -> Self:
        if taken := [name for name in self.sources if f"{RAW}{name}" in COMPUTED]:
            raise ValueError(f"the table {RAW}{taken[0]} of source {taken[0]} is another one")
        roles = {role for source in self.resolve_sources() for role in source.roles}
        if "prompts" not in roles:
            raise ValueError("no source has the role prompts")
        trained = self.resolve_trained_rankers()
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
        if unknown := sorted(set(self.plan.rows) - set(self.sources)):
            raise ValueError(f"plan.rows names no source of this recipe: {', '.join(unknown)}")
        for name, origin in self.evaluation_sets.items():
            resolve_evaluation_set(name, origin)
        for name, origin in self.reward_bench.items():
            resolve_bench_set(name, origin)
        return self

    @model_validator(mode="after")
    def _require_sample_task(self) -> Self:
        uses_task = self.gold or any(source.sample_task for source in self.sources.values())
        if uses_task and self.sample_task is None:
            raise ValueError(
                "a source or `gold` uses the sample task, but `sample_task` is not set"
            )
        if self.evaluation.selection_metric == "gold_reward" and not self.gold:
            raise ValueError("selection_metric is gold_reward, but `gold` is false")
        return self

    @model_validator(mode="after")
    def _require_measurements(self) -> Self:
        for name, benchmark in self.benchmarks.items():
            given = benchmark.models if "models" in benchmark.model_fields_set else ()
            if unknown := [model for model in given if model not in self.list_measured(benchmark)]:
                raise ValueError(
                    f"benchmarks.{name}.models has {unknown[0]}; the policies of this recipe are"
                    f" {', '.join([*self.baselines, *LOOP_MODELS])}"
                )
        if self.judge is None and (judged := [*self.select_judged_benchmarks()]):
            raise ValueError(f"the benchmarks {', '.join(judged)} need a judge; set `judge`")
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
        if self.reward_models and self.reward_model is None:
            raise ValueError("reward_models are overrides of reward_model, which is null")
        return self

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
        self._require_references("shared", self.loop)
        if self.evaluation_reward not in self.resolve_rankers():
            raise ValueError(
                f"the evaluation needs rewards of single responses, and loop.ranker"
                f" {self.loop.ranker} gives none: set reward_model, or another loop.ranker"
            )
        self.resolve_promotion()
        return self

    def _require_references(self, experiment: str, loop: LoopSettings) -> None:
        """Refuse a loop that ranks by a verifier if prompts of a source have no reference."""
        parts = list_parts(self.rewards, loop.ranker)
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
            trained={**({"sft": self.sft} if self.sft else {}), **self.resolve_trained_rankers()},
            loops={name: self.resolve_loop(name) for name in self.experiments},
            benchmarks=self.benchmarks,
        )

    def resolve_sources(self, role: Role | None = None) -> list[Source]:
        """Resolve the sources with their catalogue entries, all or those with a role.

        Raises:
            ValueError: the catalogue does not have an entry, a role or an option of a source.
        """
        found = [resolve(name, settings) for name, settings in self.sources.items()]
        return [source for source in found if role is None or role in source.roles]

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
                found[f"{kind.name}_{name}"] = _override(settings, override, key)
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
        return find_refreshed(self.rewards, loop.ranker)

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
        return _override(base, loop.feedback.reward_model, "feedback.reward_model")

    @property
    def has_pairs(self) -> bool:
        """Whether the recipe has preference pairs of its sources."""
        return bool(self.resolve_sources("preferences"))

    @property
    def initial_policy(self) -> str:
        """The asset that is pi_0."""
        return INITIAL_POLICIES[self.sft is None]

    @property
    def baselines(self) -> list[str]:
        """The policies that every experiment is compared with: those whose data the recipe has."""
        absent = {INITIAL_POLICIES[self.sft is not None], *([] if self.has_pairs else [OFFLINE])}
        return [asset for asset in BASELINES if asset not in absent]

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

    def find_prompt_room(self) -> PromptRoom:
        """Return what a prompt must leave room for in the recipe's loop and all experiments."""
        return PromptRoom.find([self.loop, *map(self.resolve_loop, self.experiments)])

    def resolve_promotion(self) -> PromotionSettings | None:
        """Return the settings of promotion with their metric; None without promotion.

        Raises:
            ValueError: the recipe does not measure what they need, or optimises their metric.
        """
        return self.promotion and self.promotion.complete(
            gold=self.gold,
            judge=self.judge is not None,
            measured=self._list_deciding(self.evaluation_reward),
            has_split=self.splits.promotion_fraction > 0,
            teachers={name: self._list_teachers(name) for name in self.experiments},
            benchmarks=self.benchmarks,
        )

    def _list_teachers(self, experiment: str) -> set[str]:
        """Return what decides an experiment's pairs, and the oracle that labels its feedback."""
        loop = self.resolve_loop(experiment)
        deciding = self._list_deciding(loop.ranker)
        return deciding if loop.feedback is None else {*deciding, loop.feedback.oracle}

    def _list_deciding(self, ranker: str) -> set[str]:
        """Return what decides a ranker's rewards: kinds of rankers, and names of `rewards`."""
        kinds = {name: find_kind(name) for name in list_parts(self.rewards, ranker)}
        return {name if kind.is_named else kind.name for name, kind in kinds.items()}

    def select_judged_benchmarks(self) -> dict[str, JudgedSettings]:
        """Return the settings of the benchmarks that the judge scores, by name."""
        return {
            name: settings
            for name, settings in self.benchmarks.items()
            if isinstance(settings, JudgedSettings)
        }

    def list_measured(self, benchmark: AnyBenchmark) -> list[str]:
        """Return the models of a benchmark that this recipe has."""
        known = (*self.baselines, *LOOP_MODELS)
        return [model for model in benchmark.models if model in known]

    def resolve_mixture(self, name: str) -> dict[str, MixtureSource]:
        """Return the parts of a mixture by source."""
        if name == EVERYTHING:
            return {s.name: MixtureSource() for s in self.resolve_sources("preferences")}
        return self.mixtures[name]

    def resolve_loop(self, experiment: str) -> LoopSettings:
        """Return the loop settings of an experiment.

        Raises:
            KeyError: the recipe has no such experiment.
            InputError: its override is not valid; the error lists all problems.
        """
        return _override(self.loop, self.experiments[experiment], f"experiments.{experiment}")
