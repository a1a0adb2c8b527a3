"""A pair's loss, in the words of TRL's DPOConfig.

Lives here: the arguments, and conservative DPO as a sum of two of TRL's losses. Not here: which
losses there are (`training.settings.objectives`), training (`training.dpo`).

TRL 1.16 reads `label_smoothing` in robust, exo_pair, aot and aot_unpaired; its sigmoid ignores it
without a word, and conservative DPO is gone. With A = -log s(b h) and B = -log s(-b h),

    sigmoid = A        robust = [(1 - e) A - e B] / (1 - 2 e)
    2 (1 - e) sigmoid - (1 - 2 e) robust = (1 - e) A + e B

which is the conservative loss (Mitchell 2023), exactly. Its gradient vanishes at s(b h) = 1 - e.
"""

from typing import Any

from training.settings.objectives import PairLossSettings


def loss_arguments(settings: PairLossSettings) -> dict[str, Any]:
    """Arguments of DPOConfig that choose a pair's loss."""
    smoothing = settings.label_smoothing
    if settings.loss == "cdpo":
        return {
            "loss_type": ["sigmoid", "robust"],
            "loss_weights": [2 * (1 - smoothing), -(1 - 2 * smoothing)],
            "label_smoothing": smoothing,
        }
    return {"loss_type": [settings.loss], "label_smoothing": smoothing}
