"""Settings of feedback: fresh labels for some pairs of an iteration. Imports no torch.

Not here: how pairs are selected and labels stored (`transforms.pairs.feedback`).
"""

from typing import Any, Literal

from pydantic import Field

from transforms.settings.frozen import Settings


class FeedbackSettings(Settings):
    """An oracle labels some of an iteration's pairs, and the reward model is trained on the labels.

    A reward model that is fixed before the loop loses accuracy as the policy moves. Bai et al. 2022
    (arXiv 2204.05862, section 4.5) collect comparisons of the newest policy's responses and train
    the preference model again on a mixture of old and new data; here training continues from its
    last weights.
    """

    labels: int = Field(default=1000, ge=1)
    """Pairs that are labelled per iteration; all pairs if there are fewer."""
    choice: Literal["uncertainty", "random"] = "uncertainty"
    """`uncertainty`: pairs whose preference probability under the last reward model is nearest to
    one half (uncertainty sampling, Lewis and Gale 1994); `random`: pairs with the lowest hash."""
    oracle: Literal["gold", "judge", "people"] = "gold"
    """Who decides which of two responses is better: the sample task's gold reward, the recipe's
    judge (both orders), or people (`prefloop label export`, `prefloop label import`)."""
    replay: float = Field(default=1.0, ge=0)
    """Pairs of the reward model's mixture that are added per label, so that it does not forget
    them. A hash selects different pairs in each iteration; all labels of earlier iterations are
    used again. 1 is the even mix of new and old data of CLEAR (Rolnick et al. 2019, arXiv
    1811.11682)."""
    reward_model: dict[str, Any] = Field(default={})
    """Training settings of the further training, as overrides of the settings of the reward
    model that `loop.ranker` selects, for example a lower learning rate or fewer epochs. The ranker
    may be a sum with one reward model; one of `rewards` with a `path` has the default settings."""
