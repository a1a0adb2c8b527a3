"""Settings of benchmarks: data, models, engine, limits, judge requests. Imports no torch.

Not here: the sets (`transforms.public_sets`), the judge (`training.settings.judge`), the comparison
of policies on evaluation prompts (`training.settings.evaluation`).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from transforms.lake.asset_names import BASELINES
from transforms.public_sets.registry import HARNESSES, select_judged_sets
from transforms.settings.frozen import Settings
from transforms.settings.sources import OriginSettings
from transforms.settings.validation_errors import convert_validation_error
from transforms.sources.files.set_files import locate_parts

LOOP_MODELS = ("selected", "iterates")
"""Policies of an experiment: the one that validation selected, or those of all iterations."""

if TYPE_CHECKING:  # a type checker cannot read the names of the registry
    AcademicName = str
    AlpacaEvalName = str
    MTBenchName = str
    ArenaHardName = str
else:
    AcademicName = Literal[*HARNESSES]
    AlpacaEvalName = Literal[*select_judged_sets("alpaca_eval")]
    MTBenchName = Literal[*select_judged_sets("mt_bench")]
    ArenaHardName = Literal[*select_judged_sets("arena_hard")]


class BenchmarkSettings(Settings):
    """Settings of every benchmark: its data, number of items, models, size of commits."""

    benchmark: str
    """Name of the set in `transforms.public_sets.registry`; the recipe's key by default."""
    data: dict[str, OriginSettings] = Field(min_length=1)
    """Origin of each part of the set: local files, or a revision of the part's hub dataset."""
    limit: int | None = Field(default=None, ge=1)
    """Number of items to measure of each subset, the first ones of its file; null measures all."""
    models: tuple[str, ...] = (*BASELINES, "selected")
    """Models to measure: π₀, the baselines, and the policy that validation selected in each
    experiment; `iterates` for the policies of all iterations. Paper, tables 4 and 5: π₀, offline
    DPO and the final model."""
    enabled: bool = True
    """False removes its assets: `--set benchmarks.<name>.enabled=false` skips a benchmark."""
    chunk_items: int = Field(default=64, ge=1)
    """Items per chunk; finished chunks are committed together (`commits`)."""

    @model_validator(mode="after")
    def _require_parts(self) -> Self:
        locate_parts(self.benchmark, self.data)
        return self

    @field_validator("models")
    @classmethod
    def _require_known_models(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        known = (*BASELINES, *LOOP_MODELS)
        if unknown := [model for model in models if model not in known]:
            raise ValueError(f"unknown model {', '.join(unknown)}; known are {', '.join(known)}")
        return models

    def dump_decisive(self) -> dict[str, Any]:
        """Dump the settings that affect figures, without the data, which has a fingerprint."""
        return self.model_dump(
            mode="json", exclude={"data", "models", "enabled", *self.list_speed_settings()}
        )

    def list_speed_settings(self) -> set[str]:
        """Return the settings that affect speed only; the benchmark's identity excludes them."""
        return {"chunk_items"}


class CodeLimits(Settings):
    """Resource limits of a generated program; a program that needs more is stopped and fails.

    A program is one process with one thread, and writes no files.
    """

    cpu_s: int = Field(default=10, ge=1)
    """Processor time, seconds."""
    wall_s: float = Field(default=30.0, gt=0)
    """Elapsed time, seconds, including the start of the process."""
    memory_mib: int = Field(default=1024, ge=64)
    """Address space, MiB, of the program; its tests, in a process of their own, have as much."""


class AcademicSettings(BenchmarkSettings):
    """A benchmark of lm-evaluation-harness. Paper, Table 3 and Table 5."""

    benchmark: AcademicName
    """Name of the set; the recipe's key by default."""
    shots: int | None = Field(default=None, ge=0)
    """Examples in the prompt; null uses Table 3: GSM8K 8, MMLU 5, ARC 25, the others 0."""
    engine: Literal["vllm", "transformers"] = "vllm"
    """The engine that runs the model for the harness."""
    batch_size: int = Field(default=16, ge=1)
    """Requests per forward pass with `transformers`; vLLM chooses its batches."""
    max_context_tokens: int | None = Field(default=None, ge=16)
    """Tokens of prompt and answer; null uses the model's context. A longer prompt is refused; the
    error gives its item."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Largest number of tokens of an answer; null uses the harness's (256, HumanEval 1,024)."""
    chat_template: bool = False
    """Render the prompt with the model's chat template. The default of the harness, and of the open
    leaderboards with Table 3's shots, is plain text; the paper does not specify it."""

    run_code: bool = False
    """Run the programs that a model writes (HumanEval, MBPP), each in a sandbox
    (`training.benchmarks.sandbox`). With false the answers get no score, and the figures are
    null."""
    code: CodeLimits = CodeLimits()
    """Limits of each program."""

    @property
    def examples(self) -> int:
        """Number of examples in a prompt."""
        return HARNESSES[self.benchmark].shots if self.shots is None else self.shots

    @model_validator(mode="after")
    def _require_examples(self) -> Self:
        parts = HARNESSES[self.benchmark].examples
        if self.examples and parts and not set(parts) & set(self.data):
            raise ValueError(
                f"{self.benchmark} needs data.{' or data.'.join(parts)} for its"
                f" {self.examples} examples; add it, or set shots: 0"
            )
        return self

    def list_speed_settings(self) -> set[str]:
        """Return also the batch size: it changes at most the last digits of log-probabilities."""
        return {"chunk_items", "batch_size"}


class JudgedSettings(BenchmarkSettings):
    """A benchmark whose answers the recipe's judge scores. Paper, Table 4."""

    engine: ClassVar[str] = "vllm"
    """The engine that runs the model."""

    max_tokens: int = Field(default=2048, ge=1)
    """Largest number of tokens of an answer."""
    max_context_tokens: int | None = Field(default=None, ge=16)
    """Tokens of questions and answers; null uses the model's context. A longer prompt is refused;
    the error gives its item."""
    noise_items: int = Field(default=20, ge=0)
    """Number of items, chosen by a hash of their key, whose requests to the judge are repeated to
    measure the judge's noise; 0 repeats none."""
    noise_repeats: int = Field(default=2, ge=1)
    """Number of repeats of each such request."""

    @model_validator(mode="after")
    def _require_one_prompt_file(self) -> Self:
        for part in ("judge_prompt", "judge_prompts"):
            if part in self.data and len(self.data[part].files) != 1:
                raise ValueError(f"data.{part} must be one file")
        return self


class AlpacaEvalSettings(JudgedSettings):
    """AlpacaEval 2 with length control: win rate against a baseline's answers, in both orders.

    The published annotators show each pair once, in a random order.
    """

    benchmark: AlpacaEvalName
    """Name of the set; the recipe's key by default."""
    temperature: float = Field(default=0.0, ge=0)
    """Temperature of the model's answers. The benchmark does not prescribe it."""
    token_probabilities: bool = True
    """Request the log-probabilities of the judge's first token. With them, a preference is
    p(m) / (p(m) + p(M)); without them, it is m or M. Use false for a server that refuses such
    requests."""


class MTBenchSettings(JudgedSettings):
    """MT-Bench: two turns, each rated from 1 to 10.

    The category of a question determines the temperature (`transforms.benchmarks.judged.mt_bench`).
    """

    benchmark: MTBenchName
    """Name of the set; the recipe's key by default."""
    max_tokens: int = Field(default=1024, ge=1)
    """Largest number of tokens of an answer to one turn; published: 1,024."""


class ArenaHardSettings(JudgedSettings):
    """Arena-Hard: five-way verdicts against a baseline's answers, in both orders."""

    benchmark: ArenaHardName
    """Name of the set; the recipe's key by default."""
    max_tokens: int = Field(default=4096, ge=1)
    """Largest number of tokens of an answer; published: 4,096."""
    temperature: float = Field(default=0.0, ge=0)
    """Temperature of the model's answers; published: 0."""


AnyBenchmark = Annotated[
    AcademicSettings | AlpacaEvalSettings | MTBenchSettings | ArenaHardSettings,
    Field(discriminator="benchmark"),
]
"""The settings of any benchmark, distinguished by `benchmark`."""


def read_benchmark(name: str, keys: Mapping[str, Any]) -> AnyBenchmark:
    """Read the settings of one benchmark from keys, outside a recipe.

    Raises:
        InputError: unknown keys, or values that are not allowed; the error lists all.
    """
    try:
        return TypeAdapter(AnyBenchmark).validate_python(keys)
    except ValidationError as error:
        raise convert_validation_error(
            error, f"benchmark {name} is refused", model=AnyBenchmark
        ) from None
