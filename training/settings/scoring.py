"""Settings of forward passes: rewards, comparisons of two responses, log-probabilities.

Imports no torch.
"""

from typing import Any, Literal

from pydantic import Field

from training.settings.training import TrainingSettings
from transforms.settings.frozen import Settings


class ScoringSettings(Settings):
    """How a reward model, or another reward, scores responses."""

    engine: Literal["transformers", "vllm"] = "transformers"
    """What computes the rewards of a reward model: the model itself (`transformers`), or vLLM's
    pooling runner, with paged attention, prefix caching and, with several `gpus_per_replica`,
    tensor parallelism. `vllm` reads causal decoders with a head `score`. The head is float32 in
    both. Rewards are equal to rounding: measured on a CPU, they differed by less than 1e-5 in
    float32, and in bfloat16 by a tenth of what bfloat16 itself changes. vLLM's usual attention on a
    GPU takes no float32. The training of `rloo` always uses `transformers`."""
    batch_tokens: int = Field(default=2048, ge=64)
    """Tokens per forward pass. A prompt counts once for its responses; with `transformers`, other
    families than those of `training.models.one_pass` have padded rows, grouped by length. 2,048
    fits into a CPU core's cache; a GPU needs about ten times as many."""
    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    """Share of a GPU's memory that the engine `vllm` uses; ignored on a CPU."""
    cpu_kv_cache_gib: int = Field(default=1, ge=1)
    """Key-value cache of the engine `vllm` on a CPU, GiB; ignored on a GPU."""
    chunk_rows: int = Field(default=4096, ge=1)
    """Rows per chunk, and per call of a reward function; finished chunks are committed together
    (`commits`)."""

    def dump_decisive(self) -> dict[str, Any]:
        """Dump what rewards depend on, to rounding: the engine, unless it is the default one."""
        return self.model_dump(include={"engine"}, exclude_defaults=True)


class RankingSettings(Settings):
    """How a ranker that compares two responses at a time ranks n responses."""

    method: Literal["round_robin", "tournament"] = "round_robin"
    """`round_robin` compares every pair of the n responses, n(n-1)/2 comparisons in both orders;
    `tournament` finds best and worst with fewer than 2n comparisons. The paper's authors recommend
    a tournament for large n."""
    batch_tokens: int = Field(default=8192, ge=64)
    """Padded tokens per forward pass."""
    chunk_prompts: int = Field(default=256, ge=1)
    """Prompts per chunk; finished chunks are committed together (`commits`)."""


class LogpsSettings(Settings):
    """How log-probabilities of token sequences are computed."""

    batch_tokens: int = Field(default=8192, ge=1)
    """Tokens per forward pass, with padding if the model's family needs it."""
    chunk_sequences: int = Field(default=4096, ge=1)
    """Sequences per chunk; sequences of a chunk are grouped by length."""
    training: TrainingSettings | None = None
    """Use the weights of a policy at the start of such a training, so that equal policies have
    equal log-probabilities: float32 under autocast, beside an adapter the types of its frozen
    weights. null: weights have the compute type."""
