"""Loads: one kind of work on GPUs inside an asset, with its tokens, seconds and memory.

A `Loads` builds them for one recipe, model and GPU. Not here: which loads an asset has
(`training.planning.work`), the formulas (`training.planning.speed`, `training.planning.memory`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

from training.models.one_pass.tested_families import find_obstacle
from training.planning import memory, speed
from training.planning.activations import Head
from training.planning.gpus import Gpu
from training.planning.memory import Memory
from training.recipe import Recipe
from training.settings.loop import LoopSettings
from training.settings.objectives import RLOOSettings
from training.settings.plan.architecture import ArchitectureSettings
from training.settings.sampling import SamplingSettings
from training.settings.scoring import ScoringSettings
from training.settings.training import ReferenceSettings, TrainingSettings

Kind = Literal["sampled", "trained", "read"]
"""What happens to the tokens of a load: they are sampled, trained on, or only read."""


@dataclass(frozen=True)
class Load:
    """One kind of work on GPUs inside an asset."""

    kind: Kind
    stage: str
    """Name in the table of memory."""
    tokens: float
    """Expected tokens."""
    most_tokens: float
    """Upper bound: every sequence has the largest length that the settings allow."""
    gpus: int
    """GPUs that it uses at once."""
    seconds: float | None = None
    """Predicted; None without a GPU."""
    memory: Memory | None = None
    """Memory of one of its GPUs."""
    limit: float = 1.0
    """Share of the GPU's memory that it may use."""
    host: float = 0
    """Memory of the host, bytes."""
    remedy: str = ""
    """Settings to change if the memory does not suffice."""


@dataclass(frozen=True)
class Lengths:
    """Expected tokens of prompts and sampled responses."""

    prompt: float
    response: float

    def count_row(self, responses: int, *, most: int, shared: bool) -> float:
        """Count the tokens that a pass computes for a prompt with some responses.

        Args:
            responses: responses to the prompt.
            most: most tokens of the prompt with one response; longer ones are counted as this.
            shared: whether the prompt is computed once for all.
        """
        tokens = (1 if shared else responses) * self.prompt + responses * self.response
        return tokens * min(1, most / (self.prompt + self.response))


@dataclass(frozen=True)
class Loads:
    """Builds the loads of a recipe, for one architecture and one GPU."""

    recipe: Recipe
    model: ArchitectureSettings
    gpu: Gpu | None
    lengths: Lengths

    @property
    def dtype(self) -> str:
        """Return the compute type."""
        return self.recipe.model.dtype

    @property
    def copies(self) -> int:
        """Return the copies of a model that run at once."""
        return self.recipe.devices.replicas

    @property
    def gpus_per_copy(self) -> int:
        """Return the GPUs that share a copy of a model."""
        return self.recipe.devices.gpus_per_replica

    @property
    def type_bytes(self) -> int:
        """Return the bytes of a weight in the compute type."""
        return memory.BFLOAT16 if self.dtype == "bfloat16" else memory.FLOAT32

    def shares_prompts(self, settings: TrainingSettings | None = None) -> bool:
        """Check whether a training, or a model that only reads, computes a prompt once."""
        gpus = 1 if settings is not None else self.gpus_per_copy
        return find_obstacle(self.model.model_type, settings, gpus) is None

    def train(
        self,
        stage: str,
        settings: TrainingSettings,
        *,
        tokens: float,
        most_tokens: float,
        length: float,
        head: Head = "language",
        sequences: int = 1,
        models: int = 1,
        others: Memory | None = None,
    ) -> Load:
        """Build the load of a training; arguments as in `memory.measure_training`.

        `models` is the number of models in a process's host memory, `others` the memory of models
        that stay on the GPU beside the trained one, and of the responses that it samples.
        """
        sharded = is_sharded(settings)
        needed = memory.measure_training(
            self.model, settings, head=head, sequences=sequences, tokens=settings.max_tokens,
            sharded=sharded, dtype=self.dtype,
        )  # fmt: skip
        if others is not None:
            # responses are sampled before the first forward pass with gradients
            cache = max(0.0, others.cache - needed.activations)
            needed = replace(needed, weights=needed.weights + others.weights, cache=cache)
        return Load(
            "trained", stage, tokens, most_tokens, settings.processes,
            seconds=self._time(
                lambda gpu: speed.time_training(
                    self.model, settings, head, tokens=tokens, length=length, gpu=gpu,
                    plan=self.recipe.plan,
                )
            ),
            memory=needed if self.gpu else None,
            host=memory.measure_host(self.model, settings, head=head, models=models),
            remedy=_advise_training(settings, sharded, cache=needed.cache > 0),
        )  # fmt: skip

    def hold_others(self, settings: TrainingSettings, reward_models: int) -> Memory:
        """Return the memory of a policy gradient's reference, reward models and samples.

        transformers samples all responses of a step at once (TRL: `steps_per_generation` is
        `gradient_accumulation_steps`). The memory of vLLM is not counted.
        """
        parts = settings.processes if is_sharded(settings) else 1
        # with an adapter, the reference is the policy without it
        reference = 0 if settings.lora else memory.FLOAT32 * self.model.weights / parts
        rewards = reward_models * self.type_bytes * self.model.reward_weights
        by_vllm = isinstance(settings, RLOOSettings) and settings.generator == "vllm"
        tokens = 0 if by_vllm else settings.batch_size / settings.processes * settings.max_tokens
        cache = self.type_bytes * self.model.cache_elements * tokens
        return Memory(weights=reference + rewards, cache=cache, reserved=0)

    def sample(
        self, sampling: SamplingSettings, *, prompts: float, responses: float, engines: int = 1,
    ) -> Load:  # fmt: skip
        """Build the load of sampling.

        Args:
            sampling: settings of the engine.
            prompts: prompts that are read.
            responses: responses in all.
            engines: engines that start one after the other.
        """
        response = min(self.lengths.response, sampling.max_tokens)
        tokens, whole = responses * response, self.lengths.prompt + response
        parts, gpus = self.gpus_per_copy, self.copies * self.gpus_per_copy
        one = memory.measure_sampling(self.model, sampling, whole, parts)

        def time(gpu: Gpu) -> float:
            room = sampling.gpu_memory_utilization * gpu.memory_bytes
            at_once = memory.count_sequences(one, room, sampling.max_sequences)
            decoding = speed.time_decoding(
                self.model, tokens=tokens, length=self.lengths.prompt + response / 2,
                sequences=at_once, gpus=gpus, parts=parts, gpu=gpu, plan=self.recipe.plan,
            )  # fmt: skip
            reading = self._time_reading(gpu, prompts * self.lengths.prompt, gpus)
            return decoding + reading + engines * speed.ENGINE_START_S

        return Load(
            "sampled", "sampling", tokens, responses * sampling.max_tokens, gpus,
            seconds=self._time(time),
            memory=memory.measure_sampling(
                self.model, sampling, sampling.max_context_tokens, parts
            )
            if self.gpu else None,
            limit=sampling.gpu_memory_utilization,
            remedy="raise devices.gpus_per_replica, or lower max_context_tokens",
        )  # fmt: skip

    def score(
        self, scoring: ScoringSettings, sampling: SamplingSettings, responses: float, n: int
    ) -> Load:
        """Build the load of a reward model that reads responses, n per prompt."""
        read = self._read(
            "scoring", "reward", responses, sampling, scoring.batch_tokens, rows_per_prompt=n,
            remedy="lower loop.scoring.batch_tokens",
        )  # fmt: skip
        if scoring.engine == "transformers" or read.seconds is None:
            return read
        return replace(
            read,
            seconds=read.seconds + speed.ENGINE_START_S,
            memory=memory.measure_pooling(
                self.model, weights=self.type_bytes * self.model.reward_weights,
                batch_tokens=scoring.batch_tokens, tokens=sampling.max_context_tokens,
                parts=self.gpus_per_copy,
            ),
            limit=scoring.gpu_memory_utilization,
            remedy="raise devices.gpus_per_replica, or lower loop.scoring.batch_tokens",
        )  # fmt: skip

    def compare(self, loop: LoopSettings, prompts: float, comparisons: float) -> Load:
        """Build the load of a preference model that reads two responses in both orders."""
        n = loop.sampling.responses_per_prompt
        return self._read(
            "comparisons", "language", prompts * comparisons * 2, loop.sampling,
            loop.ranking.batch_tokens, responses_per_row=2 if n > 1 else 1,
            remedy="lower loop.ranking.batch_tokens",
        )  # fmt: skip

    def refer(
        self, settings: ReferenceSettings, sampling: SamplingSettings, responses: float, n: int
    ) -> Load:
        """Build the load of the reference that reads the responses of training rows, n per row."""
        return self._read(
            "reference", "language", responses, sampling, settings.reference_batch_tokens,
            weights=memory.measure_reference_weights(self.model, settings, self.dtype),
            longest=settings.max_tokens, trained=settings, rows_per_prompt=n,
            remedy="raise devices.gpus_per_replica, or lower reference_batch_tokens",
        )  # fmt: skip

    def measure_logps(self, responses: float, n: int) -> Load:
        """Build the load of a policy and π₀ that read evaluated responses, n per prompt."""
        halved = self.recipe.evaluation.logps_dtype == "bfloat16"
        type_bytes = memory.BFLOAT16 if halved else memory.FLOAT32
        remedies = ["raise devices.gpus_per_replica", "lower evaluation.logps_batch_tokens"]
        if not halved:
            remedies.append("set evaluation.logps_dtype: bfloat16")
        return self._read(
            "log-probabilities", "language", responses, self.recipe.loop.sampling,
            self.recipe.evaluation.logps_batch_tokens, rows_per_prompt=n,
            weights=2 * type_bytes * memory.count_weights(self.model, "language"),
            remedy=", or ".join(remedies),
        )  # fmt: skip

    def _read(
        self, stage: str, head: Head, rows: float, sampling: SamplingSettings, batch_tokens: int,
        *, remedy: str, weights: float | None = None, longest: int | None = None,
        responses_per_row: int = 1, rows_per_prompt: int = 1,
        trained: TrainingSettings | None = None,
    ) -> Load:  # fmt: skip
        gpus = self.copies * self.gpus_per_copy
        if weights is None:
            weights = self.type_bytes * memory.count_weights(self.model, head)
        response = min(self.lengths.response, sampling.max_tokens)
        length = self.lengths.prompt + responses_per_row * response
        most = longest or sampling.max_context_tokens
        tokens = rows * min(length, most)
        if rows_per_prompt > 1 and self.shares_prompts(trained):
            repeated = self.lengths.prompt * min(1, most / length)
            tokens -= rows * repeated * (rows_per_prompt - 1) / rows_per_prompt
        return Load(
            "read", stage, tokens, rows * most, gpus,
            seconds=self._time(
                lambda gpu: speed.time_forward(
                    self.model, head, tokens=tokens, length=length, gpus=gpus, gpu=gpu,
                    plan=self.recipe.plan,
                )
            ),
            memory=memory.measure_forward(
                self.model, head=head, batch_tokens=batch_tokens, tokens=most,
                weights=weights / self.gpus_per_copy,
            ) if self.gpu else None,
            remedy=remedy,
        )  # fmt: skip

    def _time_reading(self, gpu: Gpu, tokens: float, gpus: int) -> float:
        return speed.time_forward(
            self.model, "reward", tokens=tokens, length=self.lengths.prompt, gpus=gpus, gpu=gpu,
            plan=self.recipe.plan,
        )  # fmt: skip

    def _time(self, compute: Callable[[Gpu], float]) -> float | None:
        return None if self.gpu is None else compute(self.gpu)


@cache
def _read_distribution(file: str) -> str:
    settings = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    return str(settings.get("distributed_type"))


def is_sharded(settings: TrainingSettings) -> bool:
    """Check whether the training's accelerate file divides the weights (FSDP)."""
    file = settings.accelerate_config
    return file is not None and _read_distribution(file) == "FSDP"


def _advise_training(settings: TrainingSettings, sharded: bool, *, cache: bool) -> str:
    """Return the settings that lower the memory of a training, cheapest first."""
    advice = ["lower batch_size, whose responses are sampled at once"] if cache else []
    if settings.micro_batch_size > 1:
        advice.append("lower micro_batch_size")
    if not settings.gradient_checkpointing:
        advice.append("set gradient_checkpointing")
    advice.append("lower max_tokens")
    if settings.lora is None:
        if not sharded:
            advice.append("divide the weights (accelerate_config: accelerate/fsdp.yaml)")
        advice.append("use more processes" if sharded else "train an adapter (lora)")
    advice.append("or a larger GPU")
    return ", ".join(advice)
