"""Settings of fresh feedback: which of an iteration's pairs are labelled, by whom, and the refresh.

Not here: how pairs are chosen and labels stored (`transforms.pairs.feedback`). Imports no torch.
"""

from typing import Any, Literal

from pydantic import Field

from transforms.settings.frozen import Settings


class FeedbackSettings(Settings):
    """An iteration's own pairs go to a preference oracle, and the reward model learns from them.

    A reward model that is fixed before the loop goes blind as the policy moves. Bai et al. 2022
    (arXiv 2204.05862, section 4.5) collect comparisons of the newest policy's responses and train
    the preference model again, on old and new data mixed; here it goes on from its last weights.
    """

    labels: int = Field(default=1000, ge=1)
    """Pairs an iteration that are labelled; all of them where there are fewer."""
    choice: Literal["uncertainty", "random"] = "uncertainty"
    """`uncertainty`: those whose preference probability under the last reward model is nearest one
    half (uncertainty sampling, Lewis and Gale 1994); `random`: those with the lowest hash."""
    oracle: Literal["gold", "judge", "people"] = "gold"
    """Who says which of two responses is better: the sample task's gold reward, the recipe's judge
    (both orders), or people (`prefloop label export`, `prefloop label import`)."""
    replay: float = Field(default=1.0, ge=0)
    """Pairs of the reward model's own mixture that are mixed in per label, drawn by a hash that
    differs between iterations, so that it does not forget them. Labels of earlier iterations are
    all shown again. 1 is the even mix of new and old of CLEAR (Rolnick et al. 2019, arXiv
    1811.11682)."""
    reward_model: dict[str, Any] = Field(default={})
    """Training settings of a refresh, as overrides of those of the model that `loop.ranker` names,
    such as a lower learning rate or fewer epochs."""
