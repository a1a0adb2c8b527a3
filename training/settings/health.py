"""Settings of the warnings about an iteration's responses and pairs. Imports no torch."""

from pydantic import Field

from transforms.settings.frozen import Settings


class HealthSettings(Settings):
    """Bounds on statistics of an iteration's responses and pairs; beyond one, a run only warns.

    Null disables a warning. Bounds change no rows, so no asset becomes stale when one changes. The
    paper has no bounds; where a bound was measured, the measurement is given.
    """

    max_reward_length_correlation: float | None = Field(default=0.3, ge=-1, le=1)
    """Mean over prompts of Pearson's r between reward and characters; 0.19 for GPT-4 as a judge
    (docs/measured/length_bias.md)."""
    max_chosen_to_rejected_chars: float | None = Field(default=1.25, gt=0)
    """Mean length of the chosen responses divided by that of the rejected ones."""
    max_longer_chosen_share: float | None = Field(default=0.7, ge=0, le=1)
    """Share of pairs whose chosen response is the longer one; a tie counts one half; 0.70 for GPT-4
    as a judge."""
    max_length_growth: float | None = Field(default=1.5, gt=0)
    """Mean length of an iteration's responses divided by that of iteration 1, which π₀ wrote. A
    choice: in the paper's Table 6 a length penalty makes the final policy's responses shorter by a
    factor of 1.7."""
    max_repeated_4gram_share: float | None = Field(default=0.1, ge=0, le=1)
    """Share of a response's sequences of four words that are repetitions, mean over responses. A
    character of Chinese, Japanese or Thai counts as a word."""
    max_duplicate_share: float | None = Field(default=0.1, ge=0, le=1)
    """Share of responses that are identical to a response to another prompt."""
    max_truncated_share: float | None = Field(default=0.1, ge=0, le=1)
    """Share of responses cut at max_tokens."""
    max_refusal_share: float | None = Field(default=0.1, ge=0, le=1)
    """Share of responses that decline and do not answer, English only
    (docs/measured/refusals.md)."""
    min_ranker_agreement: float | None = Field(default=0.6, ge=0, le=1)
    """Share of the pairs of responses to a prompt that another ranker orders the same way, if one
    has ranked the same responses. By chance it is one half."""
