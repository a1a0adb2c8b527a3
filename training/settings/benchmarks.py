"""Settings of the benchmarks that models are measured on. Imports no torch.

Not here: what is known of each benchmark (`transforms.benchmarks.sets`), held-out prompts
(`training.settings.evaluation.EvaluationSettings`).
"""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from transforms.benchmarks.sets import BENCHMARKS, resolve_benchmark
from transforms.lake.asset_names import BASELINES
from transforms.settings.frozen import Settings
from transforms.settings.sources import OriginSettings

ITERATES = ("selected", "iterates")
"""Models of an experiment: the iterate that validation selected, or every iterate."""


class BenchmarkSettings(Settings):
    """What every benchmark has: its data, how much of it, which models, how often it commits."""

    data: dict[str, OriginSettings] = Field(min_length=1)
    """Where each part of the benchmark is (`transforms.benchmarks.sets` names the parts): local
    files, or a revision of the part's hub dataset."""
    limit: int | None = Field(default=None, ge=1)
    """Measure only this many items of each subset, from the first; null measures all."""
    models: tuple[str, ...] = (*BASELINES, "selected")
    """Models that are measured: pi_0, the baselines, each experiment's selected iterate; or all
    `iterates`. Paper, tables 4 and 5: pi_0, offline DPO and the final model."""
    enabled: bool = True
    """False draws no asset: `--set benchmarks.<name>.enabled=false` skips a benchmark."""
    chunk_items: int = Field(default=64, ge=1)
    """Items a commit: what a crash can cost."""

    @field_validator("models")
    @classmethod
    def _known(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        known = (*BASELINES, *ITERATES)
        if unknown := [model for model in models if model not in known]:
            raise ValueError(f"no model is {', '.join(unknown)}; there are {', '.join(known)}")
        return models

    def decisive(self) -> dict[str, Any]:
        """Dump the settings that decide the figures of a model; the data's content comes beside."""
        return self.model_dump(
            mode="json", exclude={"data", "models", "enabled", *self.without_effect()}
        )

    def without_effect(self) -> set[str]:
        """Name the settings that change how an answer is come by, and not the answer."""
        return {"chunk_items"}


class CodeLimits(Settings):
    """What a generated program may use; it ends, unpassed, where it wants more."""

    cpu_s: int = Field(default=10, ge=1)
    """Processor time, seconds."""
    wall_s: float = Field(default=30.0, gt=0)
    """Seconds by the clock, the start of its process included."""
    memory_mib: int = Field(default=1024, ge=64)
    """Address space of a process, MiB."""
    processes: int = Field(default=16, ge=1)
    """Processes and threads."""
    file_mib: int = Field(default=16, ge=1)
    """All that it may write, MiB; it is held in memory and gone with the program."""


class AcademicSettings(BenchmarkSettings):
    """A benchmark of lm-evaluation-harness. Paper, Table 3 and Table 5."""

    benchmark: Literal["gsm8k", "mmlu", "arc_challenge", "truthfulqa", "humaneval", "mbpp"]
    """Which benchmark; the recipe's name of it by default."""
    shots: int | None = Field(default=None, ge=0)
    """Examples in the prompt; null takes Table 3's: GSM8K 8, MMLU 5, ARC 25, the others 0."""
    engine: Literal["vllm", "transformers"] = "vllm"
    """What runs the model below the harness."""
    batch_size: int = Field(default=16, ge=1)
    """Requests of a forward pass under `transformers`; vLLM batches by itself."""
    max_context_tokens: int | None = Field(default=None, ge=16)
    """Prompt and answer; null takes the model's context. A longer prompt is refused by name."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Most tokens of a generated answer; null takes the harness's (256, HumanEval 1,024)."""
    chat_template: bool = False
    """Put the prompt into the model's chat template. The harness's default, and that of the open
    leaderboards whose shots Table 3 has, is the bare text; the paper does not say."""

    @property
    def examples(self) -> int:
        """Examples in a prompt."""
        return BENCHMARKS[self.benchmark].shots if self.shots is None else self.shots

    @model_validator(mode="after")
    def _has_its_parts(self) -> Self:
        resolve_benchmark(self.benchmark, self.data)
        parts = BENCHMARKS[self.benchmark].examples
        if self.examples and parts and not set(parts) & set(self.data):
            raise ValueError(
                f"{self.benchmark} takes {self.examples} examples from data."
                f"{' or data.'.join(parts)}, which is not named; name it, or set shots: 0"
            )
        return self

    run_code: bool = False
    """Run the programs that a model writes (HumanEval, MBPP), each in a sandbox
    (`training.benchmarks.sandbox`). False leaves the answers unscored, and the figures null."""
    code: CodeLimits = CodeLimits()
    """Limits of a program."""

    def without_effect(self) -> set[str]:
        """Batching changes the last digits of log-probabilities at most."""
        return {"chunk_items", "batch_size"}
