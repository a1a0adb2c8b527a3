"""Settings of the sample task."""

from pydantic import Field

from transforms.settings.frozen import Settings


class SampleTaskSettings(Settings):
    """Size, noise and seed of the sample task."""

    seed: int = 0
    """Seed of demonstrations, pairs and prompts, each with its own random stream."""
    demonstrations: int = Field(default=12_000, ge=1)
    """Number of conversations for supervised fine-tuning."""
    preference_pairs: int = Field(default=24_000, ge=1)
    """Number of labelled comparisons of two responses to a prompt."""
    prompts: int = Field(default=6_000, ge=1, le=100_000)
    """Number of distinct prompts without a response, for sampling and for evaluation."""
    label_temperature: float = Field(default=0.15, gt=0)
    """Bradley-Terry temperature of the labels, in units of gold reward: P(a over b) is
    sigmoid((u_a - u_b) / temperature), u = gold reward + length_bias * words. Near 0: no noise."""
    length_bias: float = Field(default=0.012, ge=0)
    """Utility, in gold reward, that a label adds per word of a response (split at spaces)."""
