"""Activations: bytes that a training saves for its backward pass, and those of a forward pass.

The bytes per token and layer were measured with `torch.autograd.graph.saved_tensors_hooks` on small
models of each kind; a test repeats it. Attention is fused (sdpa or flash), so that no matrix of
scores is saved, unless the recipe sets `eager`. Not here: weights, gradients, optimiser
(`training.planning.memory`).
"""

from typing import Literal

from training.settings.plan.architecture import ArchitectureSettings
from training.settings.training import TrainingSettings

FLOAT32, BFLOAT16 = 4, 2
EAGER = 10
"""Bytes per pair of tokens and head that attention without a fused kernel saves: scores, float32
probabilities, bfloat16 probabilities."""
TOKEN_TILE = 4096
"""Tokens that TRL's output head projects at once; the logits of the others are not in memory."""

Head = Literal["language", "reward"]


def measure_activations(
    model: ArchitectureSettings,
    settings: TrainingSettings,
    head: Head,
    batch: int,
    tokens: int,
    dtype: str,
    sharded: bool,
) -> float:
    """Compute the bytes saved for the backward pass, and those of its largest step."""
    step: float
    low = dtype == "bfloat16"
    layer = measure_layer(model, mixed=not sharded) * (1 if low else 2)
    if settings.attn_implementation == "eager":
        layer += EAGER * model.heads * tokens
    # the gradients of an MLP's three products, and with checkpointing a layer that is recomputed
    step = batch * (BFLOAT16 if low else FLOAT32) * 3 * model.intermediate_size
    if settings.gradient_checkpointing:
        step += batch * layer
        layer = model.hidden_size * (BFLOAT16 if sharded and low else FLOAT32)
    if head == "language":
        step = max(step, _measure_output_head(model, batch, trained=settings.lora is None))
    return batch * layer * model.layers + step


def measure_layer(model: ArchitectureSettings, *, mixed: bool) -> float:
    """Compute the bytes per token that one layer saves for its backward pass.

    Args:
        model: architecture.
        mixed: whether weights are float32 under autocast, so that the sums between layers are
            float32; else all are bfloat16, as under FSDP.
    """
    norms = 10 + 8 * model.norms_per_layer if mixed else 10 * model.norms_per_layer - 4
    attention = 4 * (model.heads + model.kv_heads) * model.head_size + FLOAT32 * model.heads
    if model.qk_norm:
        attention += 6 * (model.heads + model.kv_heads) * model.head_size
    return norms * model.hidden_size + attention + 8 * model.intermediate_size


def _measure_output_head(model: ArchitectureSettings, batch: int, *, trained: bool) -> float:
    """Compute the bytes of TRL's output head: a tile of logits, and gradients in float32."""
    tile = BFLOAT16 * min(batch, TOKEN_TILE) * min(model.vocab_size, TOKEN_TILE)
    gradient = FLOAT32 * model.embedding_weights if trained else 0
    return tile + gradient + 3 * FLOAT32 * batch * model.hidden_size


def measure_pass(model: ArchitectureSettings, batch: int) -> float:
    """Compute the largest bytes between two layers or in an MLP, without gradients."""
    width = 4 * FLOAT32 * model.hidden_size
    return batch * (width + 3 * BFLOAT16 * model.intermediate_size)
