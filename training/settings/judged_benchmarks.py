"""Settings of the benchmarks that a judge scores. Imports no torch.

Not here: the judge (`training.settings.judge`), what every benchmark has
(`training.settings.benchmarks`), what is known of each (`transforms.benchmarks.sets`).
"""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from training.settings.benchmarks import BenchmarkSettings
from transforms.benchmarks.sets import BENCHMARKS, resolve_benchmark


class JudgedSettings(BenchmarkSettings):
    """A benchmark whose answers the recipe's judge scores. Paper, Table 4."""

    engine: ClassVar[str] = "vllm"
    """What runs the model."""
    required: ClassVar[tuple[str, ...]]
    """Parts of the data without which it cannot be judged."""

    max_tokens: int = Field(default=2048, ge=1)
    """Most tokens of an answer."""
    max_context_tokens: int | None = Field(default=None, ge=16)
    """Questions and answers; null takes the model's context. A longer prompt is refused by name."""
    noise_items: int = Field(default=20, ge=0)
    """Items, by a hash of their key, that the judge is asked about again, for its own noise; 0
    asks nothing again."""
    noise_repeats: int = Field(default=2, ge=1)
    """Times that each of their requests is asked again."""

    @model_validator(mode="after")
    def _has_its_parts(self) -> Self:
        entry = BENCHMARKS[self.benchmark]
        resolve_benchmark(self.benchmark, self.data)
        if missing := [part for part in self.required if part not in self.data]:
            raise ValueError(f"data has no {', '.join(missing)}: {entry.facts}")
        for part in ("judge_prompt", "judge_prompts"):
            if part in self.data and len(self.data[part].files) != 1:
                raise ValueError(f"data.{part} is one file")
        return self


class AlpacaEvalSettings(JudgedSettings):
    """AlpacaEval 2 with length control: win rate against a baseline's answers, in both orders.

    The published annotators show each pair once, in an order by chance.
    """

    required = ("baseline",)
    benchmark: Literal["alpaca_eval"]
    """Which benchmark; the recipe's name of it by default."""
    temperature: float = Field(default=0.0, ge=0)
    """Of the model's answers. The benchmark leaves it to whoever submits a model."""
    token_probabilities: bool = True
    """Ask the judge for the log-probabilities of its first token: where they come, a preference is
    p(m) / (p(m) + p(M)), else m or M. A server that refuses to give any needs false."""


class MTBenchSettings(JudgedSettings):
    """MT-Bench: two turns, each rated from 1 to 10.

    The temperature of an answer is that of its category (`transforms.benchmarks.judged.mt_bench`).
    """

    required = ("questions", "references")
    benchmark: Literal["mt_bench"]
    """Which benchmark; the recipe's name of it by default."""
    max_tokens: int = Field(default=1024, ge=1)
    """Most tokens of an answer of one turn; published: 1,024."""


class ArenaHardSettings(JudgedSettings):
    """Arena-Hard: five-way verdicts against a baseline's answers, in both orders."""

    required = ("questions", "baseline")
    benchmark: Literal["arena_hard", "arena_hard_v2"]
    """Which benchmark: version 0.1 or 2.0; the recipe's name of it by default."""
    max_tokens: int = Field(default=4096, ge=1)
    """Most tokens of an answer; published: 4,096."""
    temperature: float = Field(default=0.0, ge=0)
    """Of the model's answers; published: 0."""
