"""The losses of a pair: the settings that select one, and TRL's arguments for it.

Not here: training (`training.dpo`). Imports no torch.

The losses of a pair, with TRL 1.16's names; only `cdpo` is our name. h = c - r,
c = log π/ref(chosen), r = log π/ref(rejected), b = `beta`, e = `label_smoothing`, s = sigmoid:

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
    aot_unpaired  cdpo over sorted c minus sorted r of a micro-batch   the same
    sigmoid_norm  sigmoid with c/|chosen| and r/|rejected|   Lambert et al. 2024 (Tulu 3, section
                                                        5.1), arXiv 2411.15124

discopop is not convex. At h = 0 its slope is positive, while the slopes of the others are negative:
a policy that starts at its reference first moves towards the rejected response. |chosen| counts
tokens, including the end of turn. TRL divides by it in IPO, as agreed with the paper's authors.
`ld_alpha` is excluded because it needs log-probabilities of parts of responses; the reference table
has only sums over whole responses.

TRL's `sft` is a term beside a loss of a pair, not a loss of its own: `sft_weight` times the mean of
-log π over the tokens of the chosen responses. It needs no reference, and the one forward pass per
pair gives the log-probability of every token. With `sigmoid` it is the loss of Pang et al. 2024
(Iterative Reasoning Preference Optimization, arXiv 2404.19733, eq. 1). Deviation: their mean is
over the tokens of one response and then over pairs; TRL's is over all tokens of a micro-batch, in
which a long response has more weight.

TRL 1.16 reads `label_smoothing` in robust, exo_pair, aot and aot_unpaired. Its sigmoid silently
ignores it, and it has no conservative DPO. With A = -log s(b h) and B = -log s(-b h),

    sigmoid = A        robust = [(1 - e) A - e B] / (1 - 2 e)
    2 (1 - e) sigmoid - (1 - 2 e) robust = (1 - e) A + e B

which is exactly the conservative loss (Mitchell 2023). Its gradient vanishes at s(b h) = 1 - e.
"""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from training.settings.training import ReferenceSettings

SMOOTHED = ("cdpo", "robust", "exo_pair")
"""Losses that need label smoothing."""
SMOOTHABLE = (*SMOOTHED, "aot", "aot_unpaired")
"""Losses that read `label_smoothing`."""


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
    ] = "sigmoid"
    """Name of the loss; docs/guide/objectives.md has the equation and the paper of each."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """e: assumed share of pairs with a wrong label, below 0.5. `cdpo`, `robust` and `exo_pair`
    (paper: 1e-3) need it; `aot` and `aot_unpaired` allow it. With any other loss it has no effect
    and is refused."""
    sft_weight: float = Field(default=0.0, ge=0)
    """Weight of the negative log-likelihood of the chosen response, in nats per token, which is
    added to the loss; 0: none. Without it, the likelihood of both responses may fall. Pang et al.
    2024 (arXiv 2404.19733, alpha) use 1; earlier versions of TRL call it `rpo_alpha`."""

    @model_validator(mode="after")
    def _require_matching_smoothing(self) -> Self:
        if self.label_smoothing and self.loss not in SMOOTHABLE:
            raise ValueError(
                f"label_smoothing is {self.label_smoothing:g}, but the loss {self.loss} ignores it;"
                f" {', '.join(SMOOTHABLE)} read it"
            )
        if not self.label_smoothing and self.loss in SMOOTHED:
            raise ValueError(f"the loss {self.loss} needs a label_smoothing above 0")
        return self


def build_loss_arguments(settings: PairLossSettings) -> dict[str, Any]:
    """Build the arguments of DPOConfig that select the loss."""
    smoothing = settings.label_smoothing
    weights: dict[str, float] = {settings.loss: 1.0}
    if settings.loss == "cdpo":
        weights = {"sigmoid": 2 * (1 - smoothing), "robust": -(1 - 2 * smoothing)}
    if settings.sft_weight:
        weights["sft"] = settings.sft_weight
    return {
        "loss_type": [*weights],
        "loss_weights": [*weights.values()],
        "label_smoothing": smoothing,
    }
