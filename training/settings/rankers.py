"""The kinds of rankers: one value per kind, listed in `RANKER_KINDS`. Imports no torch.

A ranker gives the n responses of a prompt rewards, from which pairs are made. Not here: how each
kind ranks (`assets.loop.ranking`, one class per kind), its settings (a key of the recipe).
"""

from collections.abc import Sequence
from dataclasses import dataclass

METHODS = ("round_robin", "tournament")
"""Values of `ranking.method`."""


@dataclass(frozen=True)
class RankerKind:
    """One kind of ranker: its name and what it allows."""

    name: str
    """Value of `loop.ranker`, and the recipe key of its settings; a recipe with null there does not
    have this ranker."""
    is_named: bool = False
    """Whether the recipe key contains several rankers by name. `loop.ranker` is then the name."""
    variants: str | None = None
    """Recipe key of further rankers of this kind, as overrides of the settings of the first one.
    `loop.ranker` is then `<name>_<variant>`."""
    is_reward_model: bool = False
    """Whether it is a Bradley-Terry model, which feedback needs."""
    scores_alone: bool = False
    """Whether a reward depends on the response alone and not on the other responses of the prompt.
    Adaptive sampling scores a prompt before all of its responses exist; RLOO computes rewards
    itself."""
    reads_pairs: bool = False
    """Whether a model made from the initial one reads two responses at a time."""
    methods: Sequence[str] = METHODS
    """Values of `ranking.method` that it allows."""

    def includes(self, name: str) -> bool:
        """Check whether `loop.ranker: <name>` selects a ranker of this kind."""
        varied = self.variants is not None and name.startswith(f"{self.name}_")
        return self.is_named or name == self.name or varied


RANKER_KINDS = (
    RankerKind("reward_model", variants="reward_models", is_reward_model=True, scores_alone=True),
    RankerKind("ensemble", variants="ensembles"),
    RankerKind("preference_model", reads_pairs=True),
    RankerKind("judge", methods=("round_robin",)),
    RankerKind("rewards", is_named=True, scores_alone=True),
)
"""Every kind of ranker; the last one includes every name that is of no other kind."""


def find_kind(name: str) -> RankerKind:
    """Return the kind of the ranker that `loop.ranker` selects.

    Whether the recipe has a ranker of this name is checked by
    `training.settings.experiments.require_consistent`.
    """
    return next(kind for kind in RANKER_KINDS if kind.includes(name))
