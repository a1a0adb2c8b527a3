"""Settings of fresh feedback: which of an iteration's pairs are labelled, by whom, and the refresh.

Not here: how pairs are chosen and labels stored (`transforms.pairs.feedback`). Imports no torch.
"""

from typing import Any, Literal

from pydantic import Field

from transforms.settings.frozen import Settings


class FeedbackSettings(Settings):
    """An iteration's own pairs go to a preference oracle, and the reward model learns from them.

    A reward model that is fixed before the loop loses accuracy as the policy moves. Bai et al. 2022
    (arXiv 2204.05862, section 4.5) collect comparisons of the newest policy's responses and train
    the preference model again, on old and new data mixed; here training continues from its last
    weights.
    """

    labels: int = Field(default=1000, ge=1)
    """Pairs that are labelled per iteration; all where there are fewer."""
    choice: Literal["uncertainty", "random"] = "uncertainty"
    """`uncertainty`: pairs whose preference probability under the last reward model is nearest to
    one half (uncertainty sampling, Lewis and Gale 1994); `random`: pairs with the lowest hash."""
    oracle: Literal["gold", "judge", "people"] = "gold"
    """What decides which of two responses is better: the sample task's gold reward, the recipe's
    judge (both orders), or people (`prefloop label export`, `prefloop label import`)."""
    replay: float = Field(default=1.0, ge=0)
    """Pairs of the reward model's own mixture that are added per label, so that it does not forget
    them. A hash chooses other pairs in each iteration; labels of earlier iterations are all shown
    again. 1 is the even mix of new and old of CLEAR (Rolnick et al. 2019, arXiv 1811.11682)."""
    reward_model: dict[str, Any] = Field(default={})
    """Training settings of a refresh, as overrides of the settings of the model that `loop.ranker`
    names, such as a lower learning rate or fewer epochs."""
