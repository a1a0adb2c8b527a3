"""Settings of the benchmarks that policies are measured on. Imports no torch.

Not here: the sets themselves (`transforms.public_sets`), the judge (`training.settings.judge`),
held-out prompts (`training.settings.evaluation`).
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from transforms.lake.asset_names import BASELINES
from transforms.public_sets.registry import HARNESSES, select_judged_sets
from transforms.settings.frozen import Settings
from transforms.settings.refusals import refusal
from transforms.settings.sources import OriginSettings
from transforms.sources.files.set_files import locate_parts

ITERATES = ("selected", "iterates")
"""Models of an experiment: the iterate that validation selected, or every iterate."""


class BenchmarkSettings(Settings):
    """Settings that every benchmark has: its data, how much of it, the models, the commits."""

    benchmark: str
    """Name of the set in `transforms.public_sets.registry`; the recipe's key by default."""
    data: dict[str, OriginSettings] = Field(min_length=1)
    """Where each part of the set is: local files, or a revision of the part's hub dataset."""
    limit: int | None = Field(default=None, ge=1)
    """Measure only this many items of each subset, from the first; null measures all."""
    models: tuple[str, ...] = (*BASELINES, "selected")
    """Models that are measured: pi_0, the baselines, each experiment's selected iterate; or all
    `iterates`. Paper, tables 4 and 5: pi_0, offline DPO and the final model."""
    enabled: bool = True
    """False leaves its assets out: `--set benchmarks.<name>.enabled=false` skips a benchmark."""
    chunk_items: int = Field(default=64, ge=1)
    """Items per commit: the most that a crash can lose."""

    @model_validator(mode="after")
    def _has_the_parts(self) -> Self:
        locate_parts(self.benchmark, self.data)
        return self

    @field_validator("models")
    @classmethod
    def _known(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        known = (*BASELINES, *ITERATES)
        if unknown := [model for model in models if model not in known]:
            raise ValueError(f"no model is {', '.join(unknown)}; there are {', '.join(known)}")
        return models

    def dump_decisive(self) -> dict[str, Any]:
        """Dump the settings that decide the figures of a model; the data's content comes beside."""
        return self.model_dump(
            mode="json", exclude={"data", "models", "enabled", *self.without_effect()}
        )

    def without_effect(self) -> set[str]:
        """Return the settings that change how answers are computed, and not the answers."""
        return {"chunk_items"}


class CodeLimits(Settings):
    """What a generated program may use; a program that needs more is ended and fails."""

    cpu_s: int = Field(default=10, ge=1)
    """Processor time, seconds."""
    wall_s: float = Field(default=30.0, gt=0)
    """Seconds by the clock, the start of its process included."""
    memory_mib: int = Field(default=1024, ge=64)
    """Address space of a process, MiB."""
    processes: int = Field(default=16, ge=1)
    """Processes and threads."""
    file_mib: int = Field(default=16, ge=1)
    """All that it may write, MiB; files are in memory and are deleted with the program."""


class AcademicSettings(BenchmarkSettings):
    """A benchmark of lm-evaluation-harness. Paper, Table 3 and Table 5."""

    benchmark: Literal[*HARNESSES]
    """Name of the set; the recipe\'s key by default."""
    shots: int | None = Field(default=None, ge=0)
    """Examples in the prompt; null takes Table 3's: GSM8K 8, MMLU 5, ARC 25, the others 0."""
    engine: Literal["vllm", "transformers"] = "vllm"
    """What runs the model below the harness."""
    batch_size: int = Field(default=16, ge=1)
    """Requests per forward pass under `transformers`; vLLM batches by itself."""
    max_context_tokens: int | None = Field(default=None, ge=16)
    """Prompt and answer; null takes the model's context. A longer prompt is refused, with its
    key."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Most tokens of a generated answer; null takes the harness's (256, HumanEval 1,024)."""
    chat_template: bool = False
    """Put the prompt into the model's chat template. The harness's default, and that of the open
    leaderboards whose shots Table 3 has, is the bare text; the paper does not say."""

    run_code: bool = False
    """Run the programs that a model writes (HumanEval, MBPP), each in a sandbox
    (`training.benchmarks.sandbox`). False leaves the answers unscored, and the figures null."""
    code: CodeLimits = CodeLimits()
    """Limits of a program."""

    @property
    def examples(self) -> int:
        """Examples in a prompt."""
        return HARNESSES[self.benchmark].shots if self.shots is None else self.shots

    @model_validator(mode="after")
    def _has_the_examples(self) -> Self:
        parts = HARNESSES[self.benchmark].examples
        if self.examples and parts and not set(parts) & set(self.data):
            raise ValueError(
                f"{self.benchmark} takes {self.examples} examples from data."
                f"{' or data.'.join(parts)}, which is not named; name it, or set shots: 0"
            )
        return self

    def without_effect(self) -> set[str]:
        """Batching changes the last digits of log-probabilities at most."""
        return {"chunk_items", "batch_size"}


class JudgedSettings(BenchmarkSettings):
    """A benchmark whose answers the recipe's judge scores. Paper, Table 4."""

    engine: ClassVar[str] = "vllm"
    """What runs the model."""

    max_tokens: int = Field(default=2048, ge=1)
    """Most tokens of an answer."""
    max_context_tokens: int | None = Field(default=None, ge=16)
    """Questions and answers; null takes the model's context. A longer prompt is refused, with its
    key."""
    noise_items: int = Field(default=20, ge=0)
    """Items, chosen by a hash of their key, about which the judge is asked again, to measure its
    own noise; 0 asks nothing again."""
    noise_repeats: int = Field(default=2, ge=1)
    """How often each of their requests is asked again."""

    @model_validator(mode="after")
    def _has_one_judge_prompt(self) -> Self:
        for part in ("judge_prompt", "judge_prompts"):
            if part in self.data and len(self.data[part].files) != 1:
                raise ValueError(f"data.{part} is one file")
        return self


class AlpacaEvalSettings(JudgedSettings):
    """AlpacaEval 2 with length control: win rate against a baseline's answers, in both orders.

    The published annotators show each pair once, in an order by chance.
    """

    benchmark: Literal[*select_judged_sets("alpaca_eval")]
    """Name of the set; the recipe\'s key by default."""
    temperature: float = Field(default=0.0, ge=0)
    """Of the model's answers. The benchmark leaves it to whoever submits a model."""
    token_probabilities: bool = True
    """Ask the judge for the log-probabilities of its first token: where they come, a preference is
    p(m) / (p(m) + p(M)), else m or M. A server that refuses to give any needs false."""


class MTBenchSettings(JudgedSettings):
    """MT-Bench: two turns, each rated from 1 to 10.

    The temperature of an answer is that of its category (`transforms.benchmarks.judged.mt_bench`).
    """

    benchmark: Literal[*select_judged_sets("mt_bench")]
    """Name of the set; the recipe\'s key by default."""
    max_tokens: int = Field(default=1024, ge=1)
    """Most tokens of an answer of one turn; published: 1,024."""


class ArenaHardSettings(JudgedSettings):
    """Arena-Hard: five-way verdicts against a baseline's answers, in both orders."""

    benchmark: Literal[*select_judged_sets("arena_hard")]
    """Name of the set; the recipe\'s key by default."""
    max_tokens: int = Field(default=4096, ge=1)
    """Most tokens of an answer; published: 4,096."""
    temperature: float = Field(default=0.0, ge=0)
    """Of the model's answers; published: 0."""


AnyBenchmark = Annotated[
    AcademicSettings | AlpacaEvalSettings | MTBenchSettings | ArenaHardSettings,
    Field(discriminator="benchmark"),
]
"""The settings of any benchmark, distinguished by `benchmark`."""


def read_benchmark(name: str, keys: Mapping[str, Any]) -> AnyBenchmark:
    """Read the settings of one benchmark from keys, outside a recipe.

    Raises:
        InputError: an unknown key, or a value that is not allowed; all are listed.
    """
    try:
        return TypeAdapter(AnyBenchmark).validate_python(keys)
    except ValidationError as error:
        raise refusal(error, f"benchmark {name} is refused", model=AnyBenchmark) from None
