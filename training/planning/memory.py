"""Memory of a GPU and of the host, in bytes: one formula per kind of work.

Sources of the formulas:

- weights, gradients, Adam: 4 + 4 + 8 bytes per trained weight in float32 (Rajbhandari et al. 2019,
  ZeRO, arXiv 1910.02054, section 3.1); autocast adds a bfloat16 copy of every matrix; FSDP2 divides
  all three among the processes;
- 4 bits: 4.127 bits per weight (Dettmers et al. 2023, arXiv 2305.14314, section 3);
- key-value cache: 2 x layers x heads x width x 2 bytes per token.

Not here: activations (`training.planning.activations`), what a GPU has (`training.planning.gpus`),
the disk (`training.planning.disk`).
"""

import math
from dataclasses import dataclass, fields

from training.planning.activations import BFLOAT16, FLOAT32, Head, measure_activations, measure_pass
from training.settings.plan.architecture import ArchitectureSettings
from training.settings.sampling import SamplingSettings
from training.settings.training import TrainingSettings

RESERVED = 1e9
"""CUDA context, cuBLAS and NCCL buffers of a process on its GPU. Assumed."""
ADAM = {"adamw": 8, "adamw_8bit": 2, "paged_adamw_8bit": 2}
"""Bytes of the optimiser's moments per trained weight."""
FOUR_BITS = 4.127 / 8
"""Bytes of a weight in 4 bits, with the doubly quantised constants."""
BUCKETS = 4
"""Bytes per trained weight that DDP copies gradients into, to send them."""
VLLM_BATCH = 8192
"""Tokens that vLLM processes at once while prompts are read (`max_num_batched_tokens`)."""


@dataclass(frozen=True)
class Memory:
    """Memory of one GPU by use, bytes."""

    weights: float = 0
    optimiser: float = 0
    gradients: float = 0
    activations: float = 0
    cache: float = 0
    """Keys and values of the sequences that are sampled."""
    reserved: float = RESERVED

    @property
    def total(self) -> float:
        """Return the sum."""
        return sum(getattr(self, field.name) for field in fields(self))


def measure_training(
    model: ArchitectureSettings,
    settings: TrainingSettings,
    *,
    head: Head,
    sequences: int,
    tokens: int,
    sharded: bool,
    dtype: str,
) -> Memory:
    """Compute the memory of a training process.

    Args:
        model: architecture.
        settings: batch, processes, checkpointing, adapter and optimiser.
        head: kind of the model that is trained.
        sequences: sequences per example: 2 for a pair.
        tokens: tokens of the longest sequence.
        sharded: whether FSDP divides the weights among the processes.
        dtype: compute type.
    """
    trained = count_trained(model, settings, head)
    parts = settings.processes if sharded else 1
    gradients = FLOAT32 * trained / parts
    if settings.processes > 1 and not sharded:
        gradients += BUCKETS * trained
    batch = settings.micro_batch_size * sequences * tokens
    return Memory(
        weights=_measure_weights(model, settings, head, parts, dtype),
        optimiser=ADAM[settings.optimizer] * trained / parts,
        gradients=gradients,
        activations=measure_activations(model, settings, head, batch, tokens, dtype, sharded),
    )


def measure_forward(
    model: ArchitectureSettings,
    *,
    head: Head,
    batch_tokens: int,
    tokens: int,
    weights: float,
) -> Memory:
    """Compute the memory of forward passes without gradients: scoring, log-probabilities.

    Args:
        model: architecture.
        head: a language model computes the logits of the whole batch.
        batch_tokens: padded tokens per forward pass.
        tokens: tokens of the longest sequence.
        weights: bytes of the weights, including a copy that autocast keeps.
    """
    batch = max(batch_tokens, tokens)
    activations = measure_pass(model, batch)
    if head == "language":
        # the batch's logits, and one row of them in float32 with its log-softmax
        activations += model.vocab_size * (BFLOAT16 * batch + 2 * FLOAT32 * tokens)
    return Memory(weights=weights, activations=activations)


def measure_sampling(
    model: ArchitectureSettings, sampling: SamplingSettings, tokens: float, parts: int
) -> Memory:
    """Compute the memory that one GPU of a vLLM engine needs for one sequence of so many tokens.

    Args:
        model: architecture; weights and cache are bfloat16.
        sampling: max_sequences.
        tokens: tokens of prompt and response.
        parts: GPUs that share the engine's model.
    """
    logits = 2 * FLOAT32 * sampling.max_sequences * model.vocab_size
    return Memory(
        weights=BFLOAT16 * model.weights / parts,
        activations=measure_pass(model, VLLM_BATCH) / parts + logits,
        cache=BFLOAT16 * model.cache_elements * tokens / min(parts, model.kv_heads),
    )


def measure_pooling(
    model: ArchitectureSettings, *, weights: float, batch_tokens: int, tokens: int, parts: int
) -> Memory:
    """Compute the memory that one GPU of a vLLM engine needs to score one response.

    Args:
        model: architecture; the cache is bfloat16.
        weights: bytes of the reward model.
        batch_tokens: tokens per forward pass.
        tokens: tokens of prompt and response.
        parts: GPUs that share the engine's model.
    """
    return Memory(
        weights=weights / parts,
        activations=measure_pass(model, batch_tokens) / parts,
        cache=BFLOAT16 * model.cache_elements * tokens / min(parts, model.kv_heads),
    )


def measure_host(
    model: ArchitectureSettings, settings: TrainingSettings, *, head: Head, models: int
) -> float:
    """Compute the host memory of a training's models: every process loads them in float32.

    At the end of a sharded training the first process gathers weights and moments. Not counted:
    Python, the libraries (about 2 GB per process), and tokens, which all processes share in a file.

    Args:
        model: architecture.
        settings: processes.
        head: kind of the model that is trained.
        models: models per process: 2 if TRL loads a reference, too.
    """
    weights = count_weights(model, head)
    loaded = FLOAT32 * weights * models * settings.processes
    gathered = (FLOAT32 + ADAM[settings.optimizer]) * count_trained(model, settings, head)
    return max(loaded, gathered)


def count_weights(model: ArchitectureSettings, head: Head) -> int:
    """Count the weights of a model with this head."""
    return model.weights if head == "language" else model.reward_weights


def count_trained(model: ArchitectureSettings, settings: TrainingSettings, head: Head) -> int:
    """Count the weights that a training changes: all, or those of an adapter."""
    lora = settings.lora
    if lora is None:
        return count_weights(model, head)
    width, mlp = model.hidden_size, model.intermediate_size
    queries, keys = model.heads * model.head_size, model.kv_heads * model.head_size
    sides = {
        "q_proj": width + queries,
        "k_proj": width + keys,
        "v_proj": width + keys,
        "o_proj": queries + width,
        "gate_proj": width + mlp,
        "up_proj": width + mlp,
        "down_proj": mlp + width,
    }
    names = sides if lora.target_modules == "all-linear" else lora.target_modules
    new_head = width if head == "reward" else 0
    return model.layers * lora.rank * sum(sides.get(name, 0) for name in names) + new_head


def measure_reference_weights(
    model: ArchitectureSettings, settings: TrainingSettings, dtype: str
) -> float:
    """Compute the bytes of a reference: linear layers in the compute type, the rest in float32.

    A head that is the embeddings, too, stays float32, and autocast keeps a copy of it.
    """
    small = BFLOAT16 if dtype == "bfloat16" else FLOAT32
    frozen = _measure_matrices(model, settings, dtype)
    if not model.tied:
        rest = model.weights - model.matrix_weights - model.embedding_weights
        return frozen + FLOAT32 * rest + small * model.embedding_weights
    copy = BFLOAT16 * model.embedding_weights if dtype == "bfloat16" else 0
    return frozen + FLOAT32 * (model.weights - model.matrix_weights) + copy


def _measure_weights(
    model: ArchitectureSettings,
    settings: TrainingSettings,
    head: Head,
    parts: int,
    dtype: str,
) -> float:
    """Compute the bytes of a training process's weights, with the copies in the compute type."""
    low = dtype == "bfloat16"
    weights = count_weights(model, head)
    if settings.lora is not None:
        adapter = FLOAT32 * count_trained(model, settings, head)
        return _measure_frozen(model, settings, head, dtype) + adapter
    held = FLOAT32 * weights / parts
    if parts > 1:
        # of the others' parts, two layers are gathered, and what is in no layer
        outside = weights - model.layers * model.layer_weights
        return held + (BFLOAT16 if low else FLOAT32) * (2 * model.layer_weights + outside)
    # embeddings are looked up, not multiplied; a language head is multiplied in tiles
    return held + (BFLOAT16 * model.matrix_weights if low else 0)


def _measure_frozen(
    model: ArchitectureSettings, settings: TrainingSettings, head: Head, dtype: str
) -> float:
    """Compute the bytes of weights beside an adapter: small matrices, the rest in float32."""
    rest = FLOAT32 * (count_weights(model, head) - model.matrix_weights)
    return rest + _measure_matrices(model, settings, dtype)


def _measure_matrices(model: ArchitectureSettings, settings: TrainingSettings, dtype: str) -> float:
    if not settings.load_in_4bit:
        return (BFLOAT16 if dtype == "bfloat16" else FLOAT32) * model.matrix_weights
    # bitsandbytes expands one matrix at a time
    return FOUR_BITS * model.matrix_weights + BFLOAT16 * model.mlp_weights / 3


def count_sequences(one: Memory, available: float, most: int) -> int:
    """Count the sequences whose cache fits at once, at least 1 and at most `most`.

    Args:
        one: memory with one sequence.
        available: bytes that the engine may use.
        most: `max_sequences`.
    """
    room = available - (one.total - one.cache)
    return max(1, min(most, math.floor(room / one.cache)))
