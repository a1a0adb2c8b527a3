"""Seconds of work on GPUs: floating-point operations at a share of the peak rate, bytes per token.

Operations per token: 2 per weight that multiplies it, and 2 x layers x heads x width x length for
causal attention, in a forward pass; twice that again for the backward pass (PaLM, arXiv 2204.02311,
appendix B), once more if activations are recomputed. With an adapter the backward pass computes no
gradients of the frozen weights. Decoding reads all weights once per step, and every sequence's
cache; the slower of reading and computing decides (Pope et al. 2022, arXiv 2211.05102, section 2).
"""

from training.planning.activations import BFLOAT16, Head
from training.planning.gpus import Gpu
from training.settings.plan.architecture import ArchitectureSettings
from training.settings.plan.plan import PlanSettings
from training.settings.training import TrainingSettings

ENGINE_START_S = 90
"""Seconds in which vLLM loads a model, compiles it and measures its memory. Assumed."""


def count_forward_flops(model: ArchitectureSettings, head: Head, length: float) -> float:
    """Count the operations of a forward pass per token of sequences of this length."""
    output = model.embedding_weights if head == "language" else 0
    attention = 2 * model.layers * model.heads * model.head_size * length
    return 2 * (model.matrix_weights + output) + attention


def count_training_flops(
    model: ArchitectureSettings, settings: TrainingSettings, head: Head, length: float
) -> float:
    """Count the operations of a training step per token."""
    passes = 3 if settings.lora is None else 2
    passes += 1 if settings.gradient_checkpointing else 0
    return passes * count_forward_flops(model, head, length)


def time_training(
    model: ArchitectureSettings,
    settings: TrainingSettings,
    head: Head,
    *,
    tokens: float,
    length: float,
    gpu: Gpu,
    plan: PlanSettings,
) -> float:
    """Compute the seconds of a training on its processes' GPUs."""
    flops = tokens * count_training_flops(model, settings, head, length)
    return flops / (settings.processes * gpu.flops * plan.training_efficiency)


def time_forward(
    model: ArchitectureSettings,
    head: Head,
    *,
    tokens: float,
    length: float,
    gpus: int,
    gpu: Gpu,
    plan: PlanSettings,
) -> float:
    """Compute the seconds of forward passes without gradients."""
    flops = tokens * count_forward_flops(model, head, length)
    return flops / (gpus * gpu.flops * plan.forward_efficiency)


def time_decoding(
    model: ArchitectureSettings,
    *,
    tokens: float,
    length: float,
    sequences: int,
    gpus: int,
    parts: int,
    gpu: Gpu,
    plan: PlanSettings,
) -> float:
    """Compute the seconds in which engines decode responses; reading the prompts is a forward pass.

    Args:
        model: architecture.
        tokens: sampled tokens.
        length: mean tokens of a sequence over its decoding.
        sequences: sequences that one engine decodes at once.
        gpus: GPUs of all engines.
        parts: GPUs of one engine.
        gpu: the GPU.
        plan: efficiencies.
    """
    cache = BFLOAT16 * model.cache_elements * length
    read = (BFLOAT16 * model.weights + sequences * cache) / (gpu.bandwidth * plan.decode_efficiency)
    flops = sequences * count_forward_flops(model, "language", length)
    computed = flops / (gpu.flops * plan.forward_efficiency)
    return tokens / sequences * max(read, computed) / parts / (gpus / parts)
