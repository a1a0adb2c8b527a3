"""The keys of a recipe, each with its meaning; each group of settings has a class of its own.

Not here: checks of keys against each other (the other modules of this folder).
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator

from training.settings.benchmarks import AnyBenchmark
from training.settings.evaluation import EvaluationSettings
from training.settings.health import HealthSettings
from training.settings.judge import JudgeSettings
from training.settings.loop import LoopSettings
from training.settings.model import DeviceSettings, ModelSettings
from training.settings.plan.plan import PlanSettings
from training.settings.promotion import PromotionSettings
from training.settings.rewards.ensemble import EnsembleSettings
from training.settings.rewards.reward import RewardSettings
from training.settings.stages import PreferenceModelSettings, RewardModelSettings, SFTSettings
from transforms.settings.commits import DEFAULT_COMMITS, CommitSettings
from transforms.settings.frozen import Settings
from transforms.settings.names import Name
from transforms.settings.prompts import PromptMapSettings, PromptSettings, SplitSettings
from transforms.settings.sample_task import SampleTaskSettings
from transforms.settings.sources import MixtureSource, OriginSettings, SourceSettings
from transforms.sources.intake.mixtures import EVERYTHING


class RecipeKeys(Settings):
    """All keys of a recipe."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Name of the study and of its lake's folder."""
    seed: int = Field(default=0, ge=0)
    """Seed of all random steps: initial weights, data order, sampling, the sample task."""
    model: ModelSettings
    """The initial model."""
    devices: DeviceSettings = DeviceSettings()
    """GPUs of every stage that runs a model without training it: sampling, scores, comparisons,
    log-probabilities, evaluation, a judge with a path. They change no id."""
    commits: CommitSettings = DEFAULT_COMMITS
    """Commits of the stages that work chunk by chunk: sampling, scores, judgments, the reference's
    log-probabilities, benchmarks."""
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
    """Supervised fine-tuning, which makes π₀; null: π₀ is the initial model, and no
    demonstrations are needed."""
    reward_model: RewardModelSettings | None = RewardModelSettings()
    """Reward model; null: none is trained, and `loop.ranker` names another ranker."""
    reward_models: dict[Name, dict[str, Any]] = Field(default={})
    """Further reward models by name, as overrides of `reward_model`, such as another mixture. An
    experiment uses one with `ranker: reward_model_<name>` (paper, Table 6)."""
    ensemble: EnsembleSettings | None = None
    """Several of these reward models as one ranker, which subtracts their spread; null: none."""
    ensembles: dict[Name, dict[str, Any]] = Field(default={})
    """Further ensembles by name, as overrides of `ensemble`. An experiment uses one with `ranker:
    ensemble_<name>`."""
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
