"""Settings of sampling: how vLLM samples the n responses of a prompt. Imports no torch."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from transforms.settings.frozen import Settings
from transforms.settings.pairs import AdaptiveSettings

INDECISIVE_SETTINGS = {
    "max_sequences", "chunk_prompts", "gpu_memory_utilization", "cpu_kv_cache_gib",
}  # fmt: skip
"""Settings that change only speed and how much a crash can lose; no other responses are better."""


class SamplerSettings(Settings):
    """Some of a prompt's n responses, from one policy at one temperature.

    Paper, section 3.3, on exploration: "models with different training steps", or another
    temperature; "these modifications introduce diversity in the models and facilitate exploration".
    """

    policy: Literal["current", "previous", "initial", "step"] = "current"
    """`current`: the policy of the last iteration, which is also used without samplers; `previous`:
    the policy of the iteration before it; `initial`: π₀; `step`: the weights at `share` of the
    steps of the training that made `current`. Where such a policy does not exist yet, π₀ is used:
    in iteration 1 for all four (no step of the fine-tuning is kept), in iteration 2 for `previous`.
    Samplers with the same policy share one engine, and each samples its own responses."""
    share: float | None = Field(default=None, gt=0, lt=1)
    """For policy `step`: share of the training's optimiser steps, rounded up to a step."""
    n: int = Field(ge=1)
    """Responses per prompt of this sampler."""
    temperature: float | None = Field(default=None, ge=0)
    """Null: the temperature of `sampling`."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Null: the top_p of `sampling`."""

    @model_validator(mode="after")
    def _require_share_of_step(self) -> Self:
        if (self.policy == "step") != (self.share is not None):
            raise ValueError("`share` belongs to policy step, which needs it: 0 < share < 1")
        return self

    @property
    def policy_name(self) -> str:
        """The policy as in `generations`: `current`, `previous`, `initial`, or e.g. `step@0.5`."""
        return self.policy if self.share is None else f"step@{self.share:g}"


class ResolvedSampler(SamplerSettings):
    """A sampler whose temperature and top_p are known."""

    temperature: float
    top_p: float


class SamplingSettings(Settings):
    """How vLLM samples responses."""

    samplers: tuple[SamplerSettings, ...] = ()
    """Samplers of the responses of a prompt, in the order of response_index. If empty, there is one
    sampler of the current policy with the n, temperature and top_p below. An override replaces the
    whole list."""
    adaptive: AdaptiveSettings | None = None
    """Sample in rounds, and stop sampling for a prompt once its margin is wide enough or no longer
    grows, after at most n responses; null samples n responses for every prompt. Each round is
    scored before the next, so a reward model or one of `rewards` ranks. Every round starts an
    engine."""
    n: int = Field(default=8, ge=1)
    """Responses per prompt if `samplers` is empty; otherwise the n of the samplers are added.
    Paper, section 3.3: 8; the loop needs at least 2."""
    temperature: float = Field(default=1.0, ge=0)
    """Sampling temperature; 0 is greedy, and then n is 1. Paper: 1.0 or 0.7."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Probability mass of nucleus sampling; 1 disables it, as in the paper."""
    max_tokens: int = Field(default=2048, ge=1)
    """Maximum tokens of a response, below max_context_tokens; a longer one is cut, with
    finish_reason `length`."""
    max_context_tokens: int = Field(default=4096, ge=16)
    """Maximum tokens of prompt and response, at most the model's context. A prompt that leaves no
    room for max_tokens in this or another experiment is in no split; the ledger has its tokens."""
    max_sequences: int = Field(default=256, ge=1)
    """Sequences that vLLM decodes at once."""
    chunk_prompts: int = Field(default=64, ge=1)
    """Prompts per chunk; finished chunks are committed together (`commits`)."""
    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    """Share of a GPU's memory that vLLM uses; ignored on a CPU."""
    cpu_kv_cache_gib: int = Field(default=1, ge=1)
    """Key-value cache on a CPU, GiB; ignored on a GPU."""

    @model_validator(mode="after")
    def _require_whole_rounds(self) -> Self:
        if self.adaptive is None:
            return self
        if self.samplers:
            raise ValueError(
                "adaptive n allows only one sampler: the first rounds would not use all samplers"
            )
        if self.n % self.adaptive.round or self.n == self.adaptive.round:
            raise ValueError(
                f"n is {self.n}; it must be a multiple of {self.adaptive.round}, and at least"
                f" two rounds of {self.adaptive.round}"
            )
        return self

    @model_validator(mode="after")
    def _require_single_greedy(self) -> Self:
        for place, sampler in enumerate(self.resolve_samplers()):
            if sampler.temperature == 0 and sampler.n > 1:
                raise ValueError(
                    f"temperature 0 of sampler {place} is greedy: its n = {sampler.n} responses"
                    " would be equal texts"
                )
        return self

    @model_validator(mode="after")
    def _require_room(self) -> Self:
        if self.max_tokens >= self.max_context_tokens:
            raise ValueError(
                f"max_tokens {self.max_tokens} leaves no room for a prompt in max_context_tokens"
                f" {self.max_context_tokens}"
            )
        return self

    def dump_decisive(self) -> dict[str, Any]:
        """Dump the settings that decide the responses; the others change only speed."""
        return self.model_dump(exclude=INDECISIVE_SETTINGS)

    def resolve_samplers(self) -> tuple[ResolvedSampler, ...]:
        """Return the samplers, each with its own temperature and top_p."""
        own = {"temperature": self.temperature, "top_p": self.top_p}
        return tuple(
            ResolvedSampler.model_validate(own | one.model_dump(exclude_none=True))
            for one in self.samplers or (SamplerSettings(n=self.n),)
        )

    @property
    def responses_per_prompt(self) -> int:
        """Sum of n over the samplers."""
        return sum(sampler.n for sampler in self.resolve_samplers())
