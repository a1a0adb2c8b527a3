"""Settings of ranking: scoring with a reward model, or comparing two responses at a time.

Imports no torch.
"""

from typing import Literal

from pydantic import Field

from transforms.settings.frozen import Settings


class ScoringSettings(Settings):
    """How a reward model, or another reward, scores responses."""

    batch_tokens: int = Field(default=2048, ge=64)
    """Padded tokens per forward pass; rows are grouped by length. 2,048 fits into a CPU core's
    cache; a GPU needs about ten times as many."""
    chunk_rows: int = Field(default=4096, ge=1)
    """Rows per commit, and per call of a reward function; a crash can lose at most this many."""


class RankingSettings(Settings):
    """How a ranker that compares two responses at a time ranks n responses."""

    method: Literal["round_robin", "tournament"] = "round_robin"
    """`round_robin` compares every pair of the n responses, n(n-1)/2 comparisons in both orders;
    `tournament` finds best and worst with fewer than 2n comparisons. The paper's authors recommend
    a tournament for large n."""
    batch_tokens: int = Field(default=8192, ge=64)
    """Padded tokens per forward pass."""
    chunk_prompts: int = Field(default=256, ge=1)
    """Prompts per commit; a crash can lose at most this many."""
