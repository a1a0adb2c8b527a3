"""Settings of the comparison of models on held-out prompts. Imports no torch."""

from typing import Literal

from pydantic import Field

from transforms.settings.frozen import Settings


class EvaluationSettings(Settings):
    """How models are compared on held-out prompts."""

    samples: int = Field(default=4, ge=1)
    """Sampled responses per prompt, at temperature 1, beside one greedy response."""
    selection_metric: Literal["gold_reward", "reward"] = "reward"
    """Validation metric, of sampled responses, that selects the best iterate."""
    logps_batch_tokens: int = Field(default=8192, ge=64)
    """Padded tokens of one forward pass when log-probabilities are computed."""
    length_control: bool = False
    """Add the asset of win rates at equal length, which reads the evaluated responses and changes
    nothing. It takes half a second per pair of models, split, decoding and judge."""
