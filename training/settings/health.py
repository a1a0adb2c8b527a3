"""Settings of the warnings before an iteration is trained. Imports no torch."""

from pydantic import Field

from transforms.settings.frozen import Settings


class HealthSettings(Settings):
    """Bounds beyond which a run warns of an iteration's responses and pairs, and goes on.

    Null switches a warning off. Bounds decide no row, so no asset is made again when one changes.
    The paper has none; a bound that was measured names the measurement.
    """

    max_reward_length_correlation: float | None = Field(default=0.3, ge=-1, le=1)
    """Mean over prompts of Pearson's r between reward and characters. GPT-4 as a judge has 0.19
    (docs/measured/length_bias.md)."""
    max_chosen_to_rejected_chars: float | None = Field(default=1.25, gt=0)
    """Mean length of the chosen responses divided by that of the rejected ones."""
    max_longer_chosen_share: float | None = Field(default=0.7, ge=0, le=1)
    """Share of pairs whose chosen response is the longer one; a tie counts one half. GPT-4 has
    0.70."""
    max_repeated_4gram_share: float | None = Field(default=0.1, ge=0, le=1)
    """Share of a response's sequences of four words that occurred in it before, mean over
    responses."""
    max_duplicate_share: float | None = Field(default=0.1, ge=0, le=1)
    """Share of responses that equal a response to another prompt, letter by letter."""
    max_truncated_share: float | None = Field(default=0.1, ge=0, le=1)
    """Share of responses cut at max_tokens."""
    max_refusal_share: float | None = Field(default=0.1, ge=0, le=1)
    """Share of responses that begin like a refusal (transforms/measures/refusal_phrases.txt)."""
    min_ranker_agreement: float | None = Field(default=0.6, ge=0, le=1)
    """Share of a prompt's pairs of responses that another ranker of the lake orders the same way,
    where one has scored the same responses; one half by chance."""
