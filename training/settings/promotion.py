"""Settings of promotion: when a checkpoint replaces the current one. Imports no torch."""

from collections.abc import Collection, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field

from transforms.settings.frozen import Settings

GOLD_METRICS = ("gold_reward", "win_rate_gold")
"""Metrics that a loop may optimise: the gold reward is true by definition."""
REWARD_METRICS = ("reward", "win_rate_reward")
JUDGE_METRIC = "win_rate_judge"


class PromotionSettings(Settings):
    """Conditions for an experiment's selected policy to become the current one."""

    metric: (
        Literal["reward", "gold_reward", "win_rate_reward", "win_rate_gold", "win_rate_judge"]
        | None
    ) = None
    """What is compared on each prompt: mean rewards, or win rates over all pairs of one response of
    each policy. `win_rate_judge` asks the recipe's judge about one response of each policy, in both
    orders. null: gold_reward if `gold` is true, else win_rate_judge."""
    allow_optimised: bool = False
    """Allow a metric that an experiment's ranker optimises. Such a metric also rises where only the
    ranker's errors are learnt (Gao et al. 2022, arXiv 2210.10760)."""
    split: Literal["promotion", "validation"] = "promotion"
    """Prompts of the comparison. The validation prompts also select the policy, so an equal policy
    is promoted up to three times as often as `level` says."""
    decoding: Literal["sampled", "greedy"] = "sampled"
    """Decoding of the responses that are compared."""
    level: float = Field(default=0.95, gt=0.5, lt=1)
    """Confidence level of all decisions of a lake together: the probability that the lake ever
    promotes a policy that is no better than its current one is at most (1 − level) / 2."""
    max_fall: dict[str, Annotated[float, Field(ge=0)]] = Field(default={})
    """Maximum fall of each listed benchmark of the recipe, in its own unit (percentage points;
    MT-Bench: points). A benchmark without results blocks the promotion."""

    def complete(
        self,
        *,
        gold: bool,
        judge: bool,
        measured: Collection[str],
        has_split: bool,
        teachers: Mapping[str, Collection[str]],
        benchmarks: Collection[str],
    ) -> Self:
        """Return the settings with their metric, or refuse what the recipe does not measure.

        Args:
            gold: whether responses have a gold reward.
            judge: whether the recipe has a judge.
            measured: what decides the rewards of the evaluation, as in `teachers`.
            has_split: whether prompts are kept for promotion.
            teachers: for each experiment, what decides its rewards (kinds of rankers, names of
                `rewards`), and the oracle that labels its feedback.
            benchmarks: the recipe's benchmarks.

        Raises:
            ValueError: the message gives what is missing, or what is optimised.
        """
        metric = self.metric or ("gold_reward" if gold else JUDGE_METRIC)
        if metric in GOLD_METRICS and not gold:
            raise ValueError(f"promotion.metric is {metric}, but `gold` is false")
        if metric == JUDGE_METRIC and not judge:
            raise ValueError(
                "promotion.metric is win_rate_judge, but there is no `judge`; set a judge, or a"
                " reward as promotion.metric with promotion.allow_optimised=true"
            )
        deciding = {JUDGE_METRIC: ["judge"], **dict.fromkeys(REWARD_METRICS, measured)}
        optimised = [
            name for name, taught in teachers.items() if {*taught} & {*deciding.get(metric, ())}
        ]
        if optimised and not self.allow_optimised:
            raise ValueError(
                f"promotion.metric is {metric}, which {', '.join(optimised)} optimises; use another"
                " metric, or allow it with promotion.allow_optimised=true"
            )
        if self.split == "promotion" and not has_split:
            raise ValueError(
                "promotion needs prompts of its own, but splits.promotion_fraction is 0; set it,"
                " for example to 0.1, or compare on the prompts of the selection with"
                " promotion.split=validation"
            )
        if unknown := sorted(set(self.max_fall) - set(benchmarks)):
            raise ValueError(
                f"promotion.max_fall contains {', '.join(unknown)}; the recipe's benchmarks are "
                f"{', '.join(benchmarks) or 'none'}"
            )
        return self.model_copy(update={"metric": metric})
