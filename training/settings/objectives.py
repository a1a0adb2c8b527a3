"""Settings of the objectives: how a policy is trained. Imports no torch.

Not here: the rows of each (`transforms.pairs.objectives`), the training (the file of the same name
in `training`), the losses of a pair (`training.settings.pair_losses`).
"""

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from training.settings.pair_losses import PairLossSettings
from training.settings.sampling import SamplingSettings
from training.settings.scoring import ScoringSettings
from training.settings.training import ReferenceSettings, TrainingSettings
from transforms.pairs.objectives import OBJECTIVES
from transforms.settings.frozen import Settings
from transforms.settings.pairs import PairSettings


class DPOSettings(PairLossSettings):
    """One DPO run (Rafailov et al. 2023, arXiv 2305.18290, eq. 7), or one with another `loss`."""

    learning_rate: float = Field(default=5e-7, gt=0)
    """Paper, section 3.3: 5e-7."""
    epochs: float = Field(default=2.0, gt=0)
    """Paper: 2 epochs per iteration."""
    beta: float = Field(default=0.1, gt=0)
    """KL strength eta, dimensionless: larger keeps the policy nearer the reference. Paper: 0.1."""

    def adapt_to_offline(self, prompts: Sequence[int]) -> Self:
        """Copy the settings for offline DPO, with as many steps as all iterations would take.

        Args:
            prompts: of each iteration; a pair is counted for every one.
        """
        return self.model_copy(update={"max_steps": sum(map(self.count_steps, prompts))})


class KTOSettings(ReferenceSettings):
    """Kahneman-Tversky optimisation of unpaired responses (Ethayarajh et al. 2024, eq. 8).

    With the log-ratio l = log pi/ref(response), z the mean l of mismatched responses, not below 0,
    and v = `desirable_weight` or `undesirable_weight`, the loss of a response is v (1 - s(b (l -
    z))) where it is desirable, v (1 - s(b (z - l))) where it is not.
    """

    learning_rate: float = Field(default=5e-7, gt=0)
    """DPO's value. The KTO paper uses 5e-7, too, and allows up to ten times as much."""
    epochs: float = Field(default=2.0, gt=0)
    """DPO's value."""
    micro_batch_size: int = Field(default=32, ge=2)
    """Examples per forward pass on one device, at least 2, because z is their mean."""
    beta: float = Field(default=0.1, gt=0)
    """b: larger keeps the policy nearer the reference. Paper: 0.1."""
    desirable_weight: float = Field(default=1.0, gt=0)
    """Weight of desirable responses. Together with the other weight it should balance their
    numbers."""
    undesirable_weight: float = Field(default=1.0, gt=0)
    """Weight of undesirable responses."""
    rule: Literal["best_and_worst", "above_mean"] = "best_and_worst"
    """Which responses, by penalised reward. `best_and_worst`: the best of n is desirable, the worst
    undesirable. `above_mean`: all n, desirable above the mean of the rewards of their prompt."""


class RAFTSettings(TrainingSettings):
    """Fine-tuning on the best of n (RAFT, Dong et al. 2023, arXiv 2304.06767).

    The negative log-likelihood of the response of highest penalised reward of every prompt, from
    the current policy; no reference holds it.
    """

    learning_rate: float = Field(default=2e-5, gt=0)
    """The value of supervised fine-tuning (paper, section 3.1: 2e-5)."""


class RLOOSettings(TrainingSettings):
    """A policy gradient with a KL penalty (REINFORCE leave-one-out, Ahmadian et al. 2024).

    The classic third stage, RLHF's r(response) - b log pi/ref(response) maximised on fresh samples
    (arXiv 2402.14740): of the n responses of a prompt, each is pushed up by what it has more than
    the mean of the other n - 1. Prompts, n, temperature, token limits, length penalty and reward
    model are those of the loop; nothing is paired, and no table of responses is written.
    """

    learning_rate: float = Field(default=1e-6, gt=0)
    """TRL's default."""
    batch_size: int = Field(default=256, ge=1)
    """Responses per optimiser step: a multiple of n."""
    micro_batch_size: int = Field(default=32, ge=1)
    """Responses per forward pass with gradients on one device; divides batch_size / processes."""
    max_tokens: int = Field(default=4096, ge=8)
    """Longest prompt and response, tokens; a prompt that leaves no room for the longest response
    (`sampling.max_tokens`) is dropped and counted."""
    beta: float = Field(default=0.05, ge=0)
    """b: weight of the KL penalty, nats summed over the response, against the reward. TRL: 0.05."""
    generator: Literal["transformers", "vllm"] = "transformers"
    """What samples the responses of a step: the model itself, or vLLM beside it on the GPU (TRL's
    `colocate`; TRL 1.16 supports vLLM 0.22 to 0.31; it has not been run here)."""
    vllm_memory_utilization: float = Field(default=0.3, gt=0, le=1)
    """Share of a GPU's memory that vLLM takes beside the training."""

    def complete_from_loop(self, loop: Settings) -> "RLOORun":
        """Return the settings of one run: these, and the loop's of sampling and scoring."""
        taken = {name: getattr(loop, name) for name in ("sampling", "scoring", "pairs")}
        return RLOORun(**self.model_dump(), **taken)


class RLOORun(RLOOSettings):
    """One RLOO run: its settings, and what it takes from the loop."""

    sampling: SamplingSettings = SamplingSettings()
    """How its responses are drawn: n, temperature, top_p, max_tokens."""
    scoring: ScoringSettings = ScoringSettings()
    """How the reward model is run over them."""
    pairs: PairSettings = PairSettings()
    """The length penalty, and whether truncated responses are kept out of the gradient."""

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        n = self.sampling.n
        if n < 2 or self.batch_size % n:
            raise ValueError(
                f"rloo.batch_size {self.batch_size} counts responses: it is to be a multiple of"
                f" sampling.n {n}, and n at least 2"
            )
        if self.sampling.samplers or self.sampling.adaptive or self.sampling.temperature == 0:
            raise ValueError(
                "rloo samples the current policy, n at a time: no samplers, no adaptive, a"
                " temperature above 0"
            )
        if self.pairs.length_penalty == "calibrated":
            raise ValueError("rloo has no scored responses to calibrate a length penalty on")
        return self

    def dump_decisive(self) -> dict[str, Any]:
        """Dump the settings that decide the trained weights and their metrics."""
        settings = super().dump_decisive()
        del settings["scoring"]
        return settings | {
            "sampling": self.sampling.model_dump(
                include={"n", "temperature", "top_p", "max_tokens"}
            ),
            "pairs": self.pairs.ordering(),
        }


class ObjectiveSettings(Settings):
    """The objective of a loop, and a group of settings for each that there is."""

    objective: str = "dpo"
    """How a policy is trained: `dpo`, on pairs, by `dpo.loss`; `kto`, on responses that are
    desirable or not; `raft`, on the best of n; `rloo`, by a policy gradient on fresh samples. The
    group of the same name below holds its settings, learning rate included."""
    dpo: DPOSettings = DPOSettings()
    """How a policy is trained on the pairs."""
    kto: KTOSettings = KTOSettings()
    """How a policy is trained on desirable and undesirable responses."""
    raft: RAFTSettings = RAFTSettings()
    """How a policy is fine-tuned on the best of n."""
    rloo: RLOOSettings = RLOOSettings()
    """How a policy is trained by a policy gradient."""

    @field_validator("objective")
    @classmethod
    def _known(cls, objective: str) -> str:
        if objective not in OBJECTIVES:
            raise ValueError(f"the objectives are {', '.join(OBJECTIVES)}")
        return objective
