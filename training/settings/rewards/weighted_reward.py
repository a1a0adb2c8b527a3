"""One part of the reward that a policy gradient maximises, with its weight. Imports no torch."""

from training.settings.rewards.reward import RewardSettings
from transforms.settings.frozen import Settings


class WeightedReward(Settings):
    """One part of a reward, which is a weighted sum of its parts."""

    weight: float = 1.0
    """Factor of its rewards."""
    reward: RewardSettings
    """How it is computed; a reward model that the recipe trains is a `path`. Not a sum."""
