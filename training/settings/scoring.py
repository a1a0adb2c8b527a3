"""Settings of ranking: a reward model over each response, or comparisons of two of them.

Imports no torch.
"""

from typing import Literal

from pydantic import Field

from transforms.settings.frozen import Settings


class ScoringSettings(Settings):
    """How a reward model is run over responses."""

    batch_tokens: int = Field(default=2048, ge=64)
    """Padded tokens of one forward pass; rows are grouped by length. 2,048 fits a CPU core's cache;
    a GPU needs about ten times as many."""
    chunk_rows: int = Field(default=4096, ge=1)
    """Rows per commit: the most that a crash can lose."""


class RankingSettings(Settings):
    """How n responses are ranked by something that compares two at a time."""

    method: Literal["round_robin", "tournament"] = "round_robin"
    """`round_robin` compares every two of n responses, n(n-1)/2 comparisons in both orders;
    `tournament` finds best and worst with fewer than 2n comparisons. The paper's authors recommend
    a tournament for large n."""
    batch_tokens: int = Field(default=8192, ge=64)
    """Padded tokens of one forward pass."""
    chunk_prompts: int = Field(default=256, ge=1)
    """Prompts per commit: the most that a crash can lose."""
