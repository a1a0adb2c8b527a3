"""Settings of promotion: when a checkpoint replaces the current one. Imports no torch."""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field

from transforms.settings.frozen import Settings


class PromotionSettings(Settings):
    """Conditions for an experiment's selected policy to become the current one."""

    metric: Literal[
        "reward", "gold_reward", "win_rate_reward", "win_rate_gold", "win_rate_judge"
    ] = "reward"
    """What is compared on each validation prompt: mean rewards, or win rates over all pairs of one
    response of each policy. `win_rate_judge` asks the recipe's judge about one response of each
    policy, in both orders."""
    decoding: Literal["sampled", "greedy"] = "sampled"
    """Decoding of the responses that are compared."""
    level: float = Field(default=0.95, gt=0.5, lt=1)
    """Confidence level of the bootstrap interval over prompts; the interval must be above zero."""
    max_fall: dict[str, Annotated[float, Field(ge=0)]] = Field(default={})
    """Maximum fall of each listed benchmark of the recipe, in its own unit (percentage points;
    MT-Bench: points). A benchmark without results blocks the promotion."""

    def require_measured(self, *, gold: bool, judge: bool, benchmarks: Collection[str]) -> None:
        """Refuse a metric or benchmark that the recipe does not measure.

        Raises:
            ValueError: the message gives what is missing.
        """
        if self.metric in ("gold_reward", "win_rate_gold") and not gold:
            raise ValueError(f"promotion.metric is {self.metric}, but `gold` is false")
        if self.metric == "win_rate_judge" and not judge:
            raise ValueError("promotion.metric is win_rate_judge, but there is no `judge`")
        if unknown := sorted(set(self.max_fall) - set(benchmarks)):
            raise ValueError(
                f"promotion.max_fall contains {', '.join(unknown)}; the recipe's benchmarks are "
                f"{', '.join(benchmarks) or 'none'}"
            )
