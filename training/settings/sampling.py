"""Settings of sampling: how vLLM samples the n responses of a prompt. Imports no torch."""

from typing import Literal, Self

from pydantic import Field, model_validator

from transforms.settings.frozen import Settings
from transforms.settings.pairs import AdaptiveSettings


class SamplerSettings(Settings):
    """Some of a prompt's n responses, from one policy at one temperature.

    Paper, section 3.3, on exploration: "models with different training steps", or another
    temperature; "these modifications introduce diversity in the models and facilitate exploration".
    """

    policy: Literal["current", "previous", "initial", "step"] = "current"
    """`current`: the policy that the iteration samples without samplers, which is the iterate
    before it; `previous`: the iterate before that; `initial`: pi_0; `step`: an earlier step of the
    training that ended in `current`, at `share` of its steps. Where there is none yet, pi_0 is
    used: in iteration 1 for all four (no step of the fine-tuning is kept), in iteration 2 for
    `previous`. Even then each sampler samples its own responses, from one engine."""
    share: float | None = Field(default=None, gt=0, lt=1)
    """For policy `step`: share of the training's optimiser steps, rounded up to a whole step."""
    n: int = Field(ge=1)
    """Responses per prompt of this sampler."""
    temperature: float | None = Field(default=None, ge=0)
    """Null: the temperature of `sampling`."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Null: the top_p of `sampling`."""

    @model_validator(mode="after")
    def _share_of_a_step(self) -> Self:
        if (self.policy == "step") != (self.share is not None):
            raise ValueError("`share` belongs to policy step, which needs it: 0 < share < 1")
        return self

    @property
    def policy_name(self) -> str:
        """The policy as `generations` names it: `current`, `previous`, `initial`, `step@0.5`."""
        return self.policy if self.share is None else f"step@{self.share:g}"


class ResolvedSampler(SamplerSettings):
    """A sampler whose temperature and top_p are known."""

    temperature: float
    top_p: float


class SamplingSettings(Settings):
    """How vLLM samples responses."""

    samplers: tuple[SamplerSettings, ...] = ()
    """Samplers of the responses of a prompt, in the order of response_index. Empty: one sampler of
    the current policy with the n, temperature and top_p below. An override replaces the list."""
    adaptive: AdaptiveSettings | None = None
    """Sample in rounds and stop at a prompt once its margin is settled, after at most n responses;
    null samples n. Each round is scored before the next, so only a reward model can rank. Every
    round starts an engine."""
    n: int = Field(default=8, ge=1)
    """Responses per prompt where `samplers` is empty; otherwise the sum of theirs. Paper, section
    3.3: 8; the loop needs at least 2."""
    temperature: float = Field(default=1.0, ge=0)
    """1.0 or 0.7 in the paper; 0 is greedy."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Probability mass of nucleus sampling. The paper uses none: 1."""
    max_tokens: int = Field(default=2048, ge=1)
    """Most tokens of a response; a longer one ends with finish_reason `length`."""
    max_context_tokens: int = Field(default=4096, ge=16)
    """Prompt and response; a prompt that leaves no room for max_tokens is refused, with its id."""
    max_sequences: int = Field(default=256, ge=1)
    """Sequences that vLLM decodes at once."""
    chunk_prompts: int = Field(default=64, ge=1)
    """Prompts per commit: the most that a crash can lose."""
    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    """Share of a GPU's memory that vLLM takes; unused on a CPU."""
    cpu_kv_cache_gib: int = Field(default=1, ge=1)
    """Key-value cache of the CPU build, GiB; unused on a GPU."""
    tensor_parallel_size: int = Field(default=1, ge=1)
    """GPUs that share one copy of the model."""
    replicas: int = Field(default=1, ge=1)
    """Engines side by side, one process each, prompts divided by a stable hash."""

    @model_validator(mode="after")
    def _whole_rounds(self) -> Self:
        if self.adaptive is None:
            return self
        if self.samplers:
            raise ValueError("adaptive n takes one sampler: the first rounds would leave some out")
        if self.n % self.adaptive.round or self.n == self.adaptive.round:
            raise ValueError(
                f"n is {self.n}, which is not two rounds of {self.adaptive.round} or more"
            )
        return self

    @model_validator(mode="after")
    def _greedy_once(self) -> Self:
        for place, sampler in enumerate(self.resolve_samplers() if self.samplers else ()):
            if sampler.temperature == 0 and sampler.n > 1:
                raise ValueError(
                    f"sampler {place} is greedy, and would give {sampler.n} equal texts"
                )
        return self

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
