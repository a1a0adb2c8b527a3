"""Settings of an ensemble of reward models as a ranker. Imports no torch.

Not here: the spread of the members' rewards (`transforms.pairs.ensembles`), the members, which are
reward models of the recipe (`training.settings.stages`).
"""

from collections.abc import Collection
from typing import Self

from pydantic import Field, model_validator

from training.settings.rankers import find_kind
from transforms.settings.frozen import Settings


class EnsembleSettings(Settings):
    """Several reward models as one ranker, which lowers a reward where they disagree.

    The reward of a response is the mean of the members' rewards minus `spread_weight` times their
    standard deviation: uncertainty-weighted optimisation (Coste et al. 2023, arXiv 2310.02743,
    section 3). Deviation: they subtract the variance; the standard deviation is in reward units, so
    its weight has no unit.
    """

    members: tuple[str, ...] = Field(min_length=2)
    """Reward models that the recipe trains: `reward_model`, and `reward_model_<name>` for one of
    `reward_models`. Each has its own seed, which decides its new head and the order of its pairs;
    overrides may give it other pairs (`mixture`). Coste et al. train 5, which differ by seed."""
    spread_weight: float = Field(ge=0)
    """Standard deviations that are subtracted from the mean; 0: the mean alone. The deviation of
    the k members divides by k - 1."""

    @model_validator(mode="after")
    def _require_different_members(self) -> Self:
        if repeated := [name for name in self.members if self.members.count(name) > 1]:
            raise ValueError(f"{repeated[0]} is a member twice")
        return self

    @property
    def parts(self) -> list[str]:
        """Return the names of the rankers that decide its rewards."""
        return [*self.members]


def require_members(name: str, ensemble: EnsembleSettings, trained: Collection[str]) -> None:
    """Refuse an ensemble with a member that is no reward model of the recipe.

    Rewards of other models have another scale, so that their mean and spread have no meaning.

    Args:
        name: the ensemble, for the message.
        ensemble: its settings.
        trained: names of the rankers that the recipe trains.

    Raises:
        ValueError: the message gives the first such member, and the reward models of the recipe.
    """
    models = [one for one in trained if find_kind(one).is_reward_model]
    if unknown := [member for member in ensemble.members if member not in models]:
        raise ValueError(
            f"{name}.members has {unknown[0]!r}; the reward models that the recipe trains are"
            f" {', '.join(models) or 'none'}"
        )
