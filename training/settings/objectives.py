"""Settings of the objectives: DPO, KTO, RAFT and RLOO. Imports no torch.

Not here: the rows of each objective (`transforms.pairs.objectives`), its training (the file of the
same name in `training`), the losses of a pair (`training.settings.pair_losses`).
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from training.settings.pair_losses import PairLossSettings
from training.settings.rewards.weighted_reward import WeightedReward
from training.settings.sampling import SamplingSettings
from training.settings.scoring import ScoringSettings
from training.settings.training import ReferenceSettings, TrainingSettings
from transforms.pairs.objectives import OBJECTIVES
from transforms.settings.frozen import Settings
from transforms.settings.pairs import PairSettings


class DPOSettings(PairLossSettings):
    """One DPO run (Rafailov et al. 2023, arXiv 2305.18290, eq. 7), or a run with another `loss`."""

    learning_rate: float = Field(default=5e-7, gt=0)
    """Paper, section 3.3: 5e-7."""
    epochs: float = Field(default=2.0, gt=0)
    """Paper: 2 epochs per iteration."""
    beta: float = Field(default=0.1, gt=0)
    """KL strength eta, dimensionless: a larger value keeps the policy nearer to the reference.
    Paper: 0.1."""

    def adapt_to_offline(self, prompts: Sequence[int]) -> Self:
        """Copy the settings for offline DPO, with as many steps as all iterations would have.

        Args:
            prompts: number of prompts of each iteration; one pair per prompt is assumed.
        """
        return self.model_copy(update={"max_steps": sum(map(self.count_steps, prompts))})


class KTOSettings(ReferenceSettings):
    """Kahneman-Tversky optimisation of unpaired responses (Ethayarajh et al. 2024, eq. 8).

    l = log π/ref(response) is the log-ratio; z is the mean l of mismatched responses, at least 0;
    s is the sigmoid. The loss is `desirable_weight` (1 - s(b (l - z))) for a desirable response and
    `undesirable_weight` (1 - s(b (z - l))) for an undesirable one.
    """

    learning_rate: float = Field(default=5e-7, gt=0)
    """As for DPO. The KTO paper also uses 5e-7, and allows up to ten times as much."""
    epochs: float = Field(default=2.0, gt=0)
    """As for DPO."""
    micro_batch_size: int = Field(default=32, ge=2)
    """Examples per forward pass on one device; at least 2, because z is a mean over them."""
    beta: float = Field(default=0.1, gt=0)
    """b: a larger value keeps the policy nearer to the reference. Paper: 0.1."""
    desirable_weight: float = Field(default=1.0, gt=0)
    """Weight of desirable responses. The two weights should balance the numbers of desirable and
    undesirable responses."""
    undesirable_weight: float = Field(default=1.0, gt=0)
    """Weight of undesirable responses."""
    rule: Literal["best_and_worst", "above_mean"] = "best_and_worst"
    """Which responses are used, by penalised reward. `best_and_worst`: the best of n is desirable,
    the worst undesirable. `above_mean`: all n are used, and those above the mean reward of their
    prompt are desirable."""


class RAFTSettings(TrainingSettings):
    """Fine-tuning on the best of n (RAFT, Dong et al. 2023, arXiv 2304.06767).

    The loss is the negative log-likelihood of each prompt's response with the highest penalised
    reward. There is no reference.
    """

    learning_rate: float = Field(default=2e-5, gt=0)
    """As for supervised fine-tuning (paper, section 3.1: 2e-5)."""


class RLOOSettings(TrainingSettings):
    """A policy gradient with a KL penalty (REINFORCE leave-one-out, Ahmadian et al. 2024).

    The classic third stage of RLHF: r(response) - b log π/ref(response) is maximised on fresh
    samples (arXiv 2402.14740). The advantage of each of the n responses of a prompt is its value
    minus the mean of the other n - 1. Prompts, n, temperature, token limits, length penalty and
    rewards are those of the loop. No pairs are made, and no table of responses is written.
    """

    learning_rate: float = Field(default=1e-6, gt=0)
    """TRL's default."""
    has_dropout: ClassVar[bool] = False
    batch_size: int = Field(default=256, ge=1)
    """Responses per optimiser step; a multiple of n."""
    micro_batch_size: int = Field(default=32, ge=1)
    """Responses per forward pass with gradients on one device; divides batch_size / processes."""
    max_tokens: int = Field(default=4096, ge=8)
    """Maximum tokens of prompt and response; a prompt that leaves no room for the longest response
    (`sampling.max_tokens`) is dropped and counted."""
    beta: float = Field(default=0.05, ge=0)
    """b: weight of the KL penalty (nats, summed over the response) in the reward. TRL: 0.05."""
    generator: Literal["transformers", "vllm"] = "transformers"
    """What samples the responses of a step: the model itself (`transformers`), or vLLM on the same
    GPU (TRL's `colocate`; TRL 1.16 supports vLLM 0.22 to 0.31; not tested here)."""
    vllm_memory_utilization: float = Field(default=0.3, gt=0, le=1)
    """Share of a GPU's memory that vLLM uses during training."""

    def complete_from_loop(self, loop: Settings) -> "RLOORun":
        """Return the settings of a run: these, and `sampling`, `scoring`, `pairs` of the loop."""
        shared = {name: getattr(loop, name) for name in ("sampling", "scoring", "pairs")}
        return RLOORun(**self.model_dump(), **shared)


class RLOORun(RLOOSettings):
    """One RLOO run: its settings, and the settings of the loop that it uses."""

    sampling: SamplingSettings = SamplingSettings()
    """How responses are sampled: n, temperature, top_p, max_tokens."""
    scoring: ScoringSettings = ScoringSettings()
    """How the reward model scores them."""
    pairs: PairSettings = PairSettings()
    """The length penalty, and whether truncated responses are excluded from the gradient."""
    rewards: dict[str, WeightedReward] = Field(default={})
    """The parts of the reward by name, which are added; a run needs at least one. They are recorded
    by the asset, because a folder is another one on another machine."""

    @model_validator(mode="after")
    def _require_whole_groups(self) -> Self:
        n = self.sampling.n
        if n < 2 or self.batch_size % n:
            raise ValueError(
                f"rloo.batch_size {self.batch_size} counts responses: it must be a multiple of"
                f" sampling.n {n}, and n must be at least 2"
            )
        if self.max_tokens <= self.sampling.max_tokens:
            raise ValueError(
                f"rloo.max_tokens {self.max_tokens} leaves no room for a prompt and a response of"
                f" sampling.max_tokens {self.sampling.max_tokens}"
            )
        if self.sampling.samplers or self.sampling.adaptive or self.sampling.temperature == 0:
            raise ValueError(
                "rloo samples n responses from the current policy: it allows no samplers and no"
                " adaptive, and needs a temperature above 0"
            )
        if self.pairs.length_penalty == "calibrated":
            raise ValueError("rloo has no scored responses to calibrate a length penalty on")
        return self

    def dump_decisive(self) -> dict[str, Any]:
        """Dump the settings that decide the trained weights and the metrics."""
        settings = super().dump_decisive()
        del settings["scoring"], settings["rewards"]
        return settings | {
            "sampling": self.sampling.model_dump(
                include={"n", "temperature", "top_p", "max_tokens"}
            ),
            "pairs": self.pairs.ordering(),
        }


class ObjectiveSettings(Settings):
    """The objective of a loop, and one group of settings for each objective."""

    objective: str = "dpo"
    """How a policy is trained: `dpo`: on pairs, with the loss `dpo.loss`; `kto`: on desirable and
    undesirable responses; `raft`: on the best of n; `rloo`: by a policy gradient on fresh samples.
    The group of the same name below contains its settings, including the learning rate."""
    first_objective: str | None = None
    """Objective of iteration 1 alone, such as `raft` before `dpo`; null: `objective`. If it is set,
    neither it nor `objective` may be `rloo`, which stores no responses. The one-shot baseline has
    `objective`."""
    dpo: DPOSettings = DPOSettings()
    """Settings of `dpo`."""
    kto: KTOSettings = KTOSettings()
    """Settings of `kto`."""
    raft: RAFTSettings = RAFTSettings()
    """Settings of `raft`."""
    rloo: RLOOSettings = RLOOSettings()
    """Settings of `rloo`."""

    @field_validator("objective", "first_objective")
    @classmethod
    def _require_known(cls, objective: str | None) -> str | None:
        if objective is not None and objective not in OBJECTIVES:
            raise ValueError(f"the objectives are {', '.join(OBJECTIVES)}")
        return objective
