"""Settings of the evaluation of policies on held-out prompts. Imports no torch."""

from typing import Literal

from pydantic import Field

from transforms.settings.frozen import Settings
from transforms.settings.names import Name


class EvaluationSettings(Settings):
    """How policies are compared on held-out prompts."""

    samples: int = Field(default=4, ge=1)
    """Sampled responses per prompt at temperature 1, in addition to one greedy response."""
    selection_metric: Literal["gold_reward", "reward"] = "reward"
    """Validation metric over sampled responses that selects the best iteration."""
    rewards: tuple[Name, ...] = ()
    """Further rewards that measure the responses, as independent judges: reward models that the
    recipe trains (`reward_model_<name>`), and names of `rewards` but no sums. A verifier measures
    the prompts that have a reference. They are metrics of `evaluation_results` under their names,
    and rows of `evaluation_scores`. Adding one samples nothing again."""
    logps_batch_tokens: int = Field(default=8192, ge=64)
    """Tokens per forward pass when log-probabilities are computed."""
    logps_dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of weights and computation of the log-probabilities and the KL, whatever `model.dtype`
    is. In bfloat16, rounding in the two models adds some thousandths of a nat per token to the KL;
    on a GPU, it takes about a fifteenth of the time and half of the memory. The policy and π₀ are
    in memory together."""
    length_control: bool = False
    """Add the asset of win rates at equal length. It reads the evaluated responses and changes no
    other result. It takes half a second per pair of models, split, decoding and judge."""
