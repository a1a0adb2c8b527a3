"""Settings of the models trained before the loop: π₀, reward model, preference model.

Not here: settings that every training has (`training.settings.training`), the objectives of a
policy (`training.settings.objectives`). Imports no torch.
"""

from pydantic import Field

from training.settings.training import TrainingSettings


class SFTSettings(TrainingSettings):
    """Supervised fine-tuning of the initial model on `demonstrations`: π₀."""

    learning_rate: float = Field(default=2e-5, gt=0)
    """Paper, section 3.1: 2e-5."""
    packing: bool = False
    """Pack conversations into blocks of max_tokens. Paper: "packed into blocks of 8192"."""


class TrainedRankerSettings(TrainingSettings):
    """Settings that every trained ranker has."""

    mixture: str = "all"
    """Mixture of the recipe that it is trained on; `all` is all sources of preferences."""


class RewardModelSettings(TrainedRankerSettings):
    """Bradley-Terry reward model on `preference_pairs`, from π₀ with a scalar head."""

    learning_rate: float = Field(default=2e-6, gt=0)
    """Paper, section 2.2: 2e-6 for LLaMA-3-8B, 1e-5 for Gemma-2B."""


class PreferenceModelSettings(TrainedRankerSettings):
    """Pairwise preference model: a causal model that states which of two responses is better."""

    learning_rate: float = Field(default=5e-6, gt=0)
    """Paper, section 2.2: 5e-6 for LLaMA-3-8B, 1e-5 for Gemma-2B."""
    batch_size: int = Field(default=128, ge=1)
    """Examples per optimiser step; with packing, blocks. Paper, section 2.2: 128."""
    max_tokens: int = Field(default=3072, ge=8)
    """Maximum tokens of an example, and of a block of packed examples. Paper: "block size of
    3072"."""
    packing: bool = True
    """Pack examples into blocks of `max_tokens`."""
    both_orders: bool = False
    """Train on each pair in both orders, which gives two examples per pair; false selects one order
    per pair by a hash of its id, similar to the paper's code, which selects one at random."""
