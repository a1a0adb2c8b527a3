"""Health statistics that have a bound: the check of each, and the concerns of a slice or a policy.

Not here: the bounds (`training.settings.health`), the statistics
(`transforms.measures.health.statistics`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl


class Watched(NamedTuple):
    """A statistic with a bound, and the check that warns when the bound is passed."""

    check: str
    kind: str
    """Kind of the bound: `max` or `min`."""
    metric: str
    concern: str
    """Possible meaning of a value beyond the bound."""

    @property
    def setting(self) -> str:
        """Name of the bound in a recipe's `health` settings."""
        return f"{self.kind}_{self.metric}"

    @property
    def description(self) -> str:
        """The check's description on the asset's page."""
        side = "at most" if self.kind == "max" else "at least"
        return (
            f"Passes when {self.metric} is {side} health.{self.setting}; otherwise {self.concern}."
        )


WATCHED = (
    Watched("length_is_not_rewarded", "max", "reward_length_correlation",
            "the ranker rewards length"),
    Watched("chosen_are_not_longer", "max", "chosen_to_rejected_chars",
            "DPO will learn to write longer responses"),
    Watched("longer_are_not_chosen", "max", "longer_chosen_share",
            "the longer response is usually the chosen one"),
    Watched("responses_do_not_grow", "max", "length_growth",
            "the policy learns to write longer responses"),
    Watched("few_repeated_ngrams", "max", "repeated_4gram_share",
            "responses repeat themselves"),
    Watched("few_duplicates_across_prompts", "max", "duplicate_share",
            "different prompts get the same response"),
    Watched("few_truncated_responses", "max", "truncated_share",
            "responses end at max_tokens"),
    Watched("few_refusals", "max", "refusal_share",
            "responses are refusals"),
    Watched("rankers_agree", "min", "ranker_agreement",
            "another ranker orders the same responses differently"),
    Watched("members_agree", "min", "member_agreement",
            "the reward models of the ensemble order the policy's responses differently"),
    Watched("reward_model_does_not_forget", "max", "reward_accuracy_drop",
            "the refreshed reward model orders held-out labelled pairs less accurately"),
)  # fmt: skip
EVALUATED = (
    Watched("policy_stays_near_initial", "max", "kl_to_initial",
            "the policy samples what the ranker was not trained on"),
)  # fmt: skip
"""Statistics of a trained policy, which exist once it is evaluated."""


def find_farthest(results: pl.DataFrame) -> dict[str, float | None]:
    """Find the largest KL to π₀ of some policies: kl_to_initial and its standard error.

    Args:
        results: `evaluation_results` of an experiment.
    """
    rows = results.filter(split="evaluation", metric="kl_to_initial").sort("value")
    value, error = rows.select("value", "standard_error").rows()[-1] if rows.height else (None,) * 2
    return {"kl_to_initial": value, "kl_to_initial_se": error}


def find_concerns(
    row: Mapping[str, Any],
    bounds: Mapping[str, float | None],
    watched: Sequence[Watched] = WATCHED,
) -> dict[str, str]:
    """Find the statistics beyond their bounds.

    Args:
        row: a row of `iteration_health`.
        bounds: bounds by name of the setting; None means no bound.
        watched: the statistics that the row has.

    Returns:
        For each check with a concern, a text with the value, the bound and the concern.
    """
    found = {}
    for one in watched:
        bound, value = bounds[one.setting], row[one.metric]
        if bound is None or value is None:
            continue
        if value > bound if one.kind == "max" else value < bound:
            side = "above" if one.kind == "max" else "below"
            error = row[f"{one.metric}_se"]
            found[one.check] = (
                f"{one.metric} {value:.3g}{'' if error is None else f' ± {error:.2g}'} is {side}"
                f" {bound:g}: {one.concern}"
            )
    return found
