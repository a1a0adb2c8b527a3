"""Settings of the warnings about iterations and their policies. Imports no torch."""

from pydantic import Field

from transforms.settings.frozen import Settings


class HealthSettings(Settings):
    """Bounds on statistics of iterations and their policies; beyond one, a run only warns.

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
    min_member_agreement: float | None = Field(default=0.7, ge=0, le=1)
    """Share of the pairs of different responses to a prompt that two members of an ensemble order
    the same way, mean over pairs of members. Members that are right in a share p of the pairs, and
    whose mistakes are independent, agree in p² + (1 - p)²: 0.7 is p = 0.82, and mistakes that they
    share make p smaller. By chance it is one half."""
    max_reward_accuracy_drop: float | None = Field(default=0.05, ge=-1, le=1)
    """Accuracy on held-out labelled pairs of the reward model from before the loop minus that of
    the iteration's refreshed one. A choice: with 700 pairs and an accuracy of 0.85, two standard
    errors of a difference are 0.04."""
    max_kl_to_initial: float | None = Field(default=10.0, gt=0)
    """Largest KL divergence of an evaluated policy to π₀, in nats per response. A choice: the best
    of n responses has ln n - (n - 1) / n (Gao et al. 2023, arXiv 2210.10760, section 2), which is
    10 for n = 60,000."""
