"""Settings of the objectives: what a policy's training minimises. Imports no torch.

Not here: the rows of each (`assets.loop.objectives`), the training (`training.dpo`,
`training.raft`). With h = log pi/ref(chosen) - log pi/ref(rejected), c and r its two terms, b =
`beta`, e = `label_smoothing`, s = sigmoid, a pair's loss is, in TRL 1.16's names but for `cdpo`:

    sigmoid       -log s(b h)                           Rafailov et al. 2023, arXiv 2305.18290
    cdpo          -(1 - e) log s(b h) - e log s(-b h)   Mitchell 2023, a note on noisy preferences
    robust        [-(1 - e) log s(b h) + e log s(-b h)] / (1 - 2 e)
                                                        Chowdhury et al. 2024, arXiv 2403.00409
    ipo           (c/|chosen| - r/|rejected| - 1/(2 b))^2   Azar et al. 2023, arXiv 2310.12036
    hinge         max(0, 1 - b h)                       Zhao et al. 2023 (SLiC-HF), arXiv 2305.10425
    nca_pair      -log s(b c) - [log s(-b c) + log s(-b r)] / 2
                                                        Chen et al. 2024, arXiv 2402.05369
    bco_pair      -log s(b c) - log s(-b r)             Jung et al. 2024, arXiv 2404.04656
    sppo_hard     (c - 1/(2 b))^2 + (r + 1/(2 b))^2     Wu et al. 2024, arXiv 2405.00675
    apo_zero      1 - s(b c) + s(b r)                   D'Oosterlinck et al. 2024, arXiv 2408.06266
    apo_down      s(b c) + 1 - s(b h)                   the same
    exo_pair      KL((s(b h), s(-b h)) || (1 - e, e))   Ji et al. 2024, arXiv 2402.00856
    discopop      (1 - m) -log s(b h) + m exp(-b h), m = s(b h / 0.05)
                                                        Lu et al. 2024, arXiv 2406.08414
    aot           cdpo over sorted margins of a micro-batch   Melnyk et al. 2024, arXiv 2406.05882
    aot_unpaired  cdpo over sorted c less sorted r of a micro-batch   the same
    sigmoid_norm  sigmoid with c/|chosen| and r/|rejected|   length-normalised DPO

discopop's slope at h = 0 has the other sign (it is not convex there): a policy that starts at its
reference is first pushed towards the rejected side. |chosen| counts tokens, the end of turn
included; IPO's division by it is TRL's, agreed with the paper's authors. TRL's `sft` is no loss of
a pair and is left out; so is `ld_alpha`, whose log-probabilities leave out part of a response,
where those of the reference table are of all of it.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from training.settings.training import TrainingSettings

SMOOTHED = ("cdpo", "robust", "exo_pair")
"""Losses that are of no use without label smoothing."""
SMOOTHABLE = (*SMOOTHED, "aot", "aot_unpaired")
"""Losses that read it."""


class ReferenceSettings(TrainingSettings):
    """A training that reads log-probabilities of a frozen reference."""

    reference_batch_tokens: int = Field(default=8192, ge=64)
    """Padded tokens of one forward pass of the reference."""
    reference_chunk_sequences: int = Field(default=1024, ge=1)
    """Sequences a commit to `reference_logps`: what a crash can cost."""


class PairLossSettings(ReferenceSettings):
    """The loss of a pair."""

    loss: Literal[
        "sigmoid",
        "cdpo",
        "robust",
        "ipo",
        "hinge",
        "nca_pair",
        "bco_pair",
        "sppo_hard",
        "apo_zero",
        "apo_down",
        "exo_pair",
        "discopop",
        "aot",
        "aot_unpaired",
        "sigmoid_norm",
    ] = Field(default="sigmoid", exclude_if=lambda loss: loss == "sigmoid")
    """Which loss; equations and papers stand at the top of this file."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5, exclude_if=lambda e: e == 0)
    """e: assumed share of pairs whose labels are the wrong way round, below 0.5. `cdpo`, `robust`
    and `exo_pair` (paper: 1e-3) need one, `aot` and `aot_unpaired` may have one; with any other
    loss it is refused, for it would do nothing."""

    @model_validator(mode="after")
    def _smoothing_is_read(self) -> Self:
        if self.label_smoothing and self.loss not in SMOOTHABLE:
            raise ValueError(
                f"label_smoothing is {self.label_smoothing:g}, but the loss {self.loss} ignores it;"
                f" {', '.join(SMOOTHABLE)} read it"
            )
        if not self.label_smoothing and self.loss in SMOOTHED:
            raise ValueError(f"the loss {self.loss} needs a label_smoothing above 0")
        return self


class KTOSettings(ReferenceSettings):
    """Kahneman-Tversky optimisation of unpaired responses (Ethayarajh et al. 2024, eq. 8).

    With the log-ratio l = log pi/ref(response), z the mean l of mismatched responses, not below 0,
    and v = `desirable_weight` or `undesirable_weight`, the loss of a response is v (1 - s(b (l -
    z))) where it is desirable, v (1 - s(b (z - l))) where it is not.
    """

    learning_rate: float = Field(default=5e-7, gt=0)
    """That of DPO here; the paper's is 5e-7, too, and may be ten times as high."""
    epochs: float = Field(default=2.0, gt=0)
    """That of DPO here."""
    micro_batch_size: int = Field(default=32, ge=2)
    """Examples a forward pass on one device; z is the mean over them, so that one is not enough."""
    beta: float = Field(default=0.1, gt=0)
    """b: larger keeps the policy nearer the reference. Paper: 0.1."""
    desirable_weight: float = Field(default=1.0, gt=0)
    """Weight of desirable responses; with the other one it should even out their numbers."""
    undesirable_weight: float = Field(default=1.0, gt=0)
    """Weight of undesirable responses."""
    rule: Literal["best_and_worst", "above_mean"] = "best_and_worst"
    """Which responses, by penalised reward: the best of n as desirable and the worst as
    undesirable, or all n, desirable above the mean of their prompt's rewards."""


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
    """Responses an optimiser step: a multiple of n."""
    micro_batch_size: int = Field(default=32, ge=1)
    """Responses a forward pass with gradients on one device; divides batch_size / processes."""
    max_tokens: int = Field(default=4096, ge=8)
    """Longest prompt and response, tokens; a prompt that leaves no room for the longest response
    (`sampling.max_tokens`) is dropped and counted."""
    beta: float = Field(default=0.05, ge=0)
    """b: weight of the KL penalty, nats summed over the response, against the reward. TRL: 0.05."""
    generator: Literal["transformers", "vllm"] = "transformers"
    """What draws the responses of a step: the model itself, or vLLM beside it on the GPU (TRL's
    `colocate`; TRL 1.16 says it supports vLLM 0.22 to 0.31; it has not been run here)."""
    vllm_memory_utilization: float = Field(default=0.3, gt=0, le=1)
    """Share of a GPU's memory that vLLM takes beside the training."""


class RAFTSettings(TrainingSettings):
    """Fine-tuning on the best of n (RAFT, Dong et al. 2023, arXiv 2304.06767).

    The negative log-likelihood of the response of highest penalised reward of every prompt, from
    the current policy; no reference holds it.
    """

    learning_rate: float = Field(default=2e-5, gt=0)
    """That of supervised fine-tuning (paper, section 3.1: 2e-5)."""


class DPOSettings(PairLossSettings):
    """One DPO run (Rafailov et al. 2023, arXiv 2305.18290, eq. 7), or one with another `loss`."""

    learning_rate: float = Field(default=5e-7, gt=0)
    """Paper, section 3.3: 5e-7."""
    epochs: float = Field(default=2.0, gt=0)
    """Paper: 2 epochs an iteration."""
    beta: float = Field(default=0.1, gt=0)
    """KL strength eta, dimensionless: larger keeps the policy nearer the reference. Paper: 0.1."""
