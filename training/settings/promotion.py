"""Settings of promotion: when a checkpoint takes the place of the current one. Imports no torch."""

from typing import Annotated, Literal

from pydantic import Field

from transforms.settings.frozen import Settings


class PromotionSettings(Settings):
    """What an experiment's selected policy must show to become the current one."""

    metric: Literal[
        "reward", "gold_reward", "win_rate_reward", "win_rate_gold", "win_rate_judge"
    ] = "reward"
    """What is compared on the validation prompts, prompt by prompt: mean rewards, or win rates over
    a prompt's cross pairs of responses. `win_rate_judge` asks the recipe's judge about one response
    of each, in both orders."""
    decoding: Literal["sampled", "greedy"] = "sampled"
    """Responses that are compared."""
    level: float = Field(default=0.95, gt=0.5, lt=1)
    """Level of the interval, by the bootstrap over prompts, that must lie above zero."""
    max_fall: dict[str, Annotated[float, Field(ge=0)]] = Field(default={})
    """Benchmarks of the recipe by name, and by how much each may fall at most, in its own unit
    (percentage points; MT-Bench: points). One without results blocks."""
