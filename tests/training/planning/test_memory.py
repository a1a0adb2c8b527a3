"""Memory formulas, against bytes that torch counts, and against figures from reviews."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, Gemma2Config, LlamaConfig, Qwen3Config

from training.planning import disk, memory
from training.planning.activations import measure_layer
from training.planning.known_models import KNOWN
from training.settings.plan.architecture import ArchitectureSettings
from training.settings.sampling import SamplingSettings
from training.settings.training import LoRASettings, TrainingSettings

GB = 1e9
LLAMA = KNOWN["meta-llama/Meta-Llama-3-8B"]
QWEN = KNOWN["Qwen/Qwen3-1.7B"]


def train(**changes: Any) -> TrainingSettings:
    return TrainingSettings(**{"learning_rate": 1e-5, "micro_batch_size": 1, **changes})


def measure(model: ArchitectureSettings, settings: TrainingSettings, **changes: Any):
    arguments = {
        "head": "language", "sequences": 1, "tokens": settings.max_tokens, "sharded": False,
        "dtype": "bfloat16",
    }  # fmt: skip
    return memory.measure_training(model, settings, **{**arguments, **changes})


def saved_bytes(config: Any, layers: int, tokens: int, *, mixed: bool, checkpointed: bool) -> int:
    """Return the bytes that the layers of a model save for the backward pass."""
    config.num_hidden_layers, config._attn_implementation = layers, "sdpa"
    model = AutoModelForCausalLM.from_config(config).train().to(
        torch.float32 if mixed else torch.bfloat16
    )  # fmt: skip
    if checkpointed:
        model.gradient_checkpointing_enable()
    own = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    saved: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    ids = torch.zeros((1, tokens), dtype=torch.long)
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=mixed),
    ):
        model.model(input_ids=ids, use_cache=False)
    return sum(tensor.untyped_storage().nbytes() for tensor in saved.values())


@pytest.mark.parametrize("mixed", [True, False])
@pytest.mark.parametrize("config", [LlamaConfig, Qwen3Config, Gemma2Config])
def test_a_layer_saves_the_bytes_that_torch_saves(config, mixed):
    model = ArchitectureSettings(
        hidden_size=64, layers=1, heads=4, kv_heads=2, head_size=32, intermediate_size=96,
        vocab_size=64, qk_norm=config is Qwen3Config,
        norms_per_layer=4 if config is Gemma2Config else 2,
    )  # fmt: skip

    def count(layers: int, tokens: int) -> int:
        built = config(
            hidden_size=64, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
            intermediate_size=96, vocab_size=64, pad_token_id=0,
        )  # fmt: skip
        return saved_bytes(built, layers, tokens, mixed=mixed, checkpointed=False)

    # per layer and token: the copies of weights, which do not depend on tokens, cancel
    found = ((count(2, 64) - count(1, 64)) - (count(2, 32) - count(1, 32))) / 32
    assert measure_layer(model, mixed=mixed) == pytest.approx(found, rel=0.02)


@pytest.mark.parametrize(("mixed", "kept"), [(True, 4), (False, 2)])
def test_checkpointing_keeps_one_state_per_layer_and_token(mixed, kept):
    def count(layers: int) -> int:
        built = LlamaConfig(
            hidden_size=64, num_attention_heads=2, intermediate_size=96, vocab_size=64
        )
        return saved_bytes(built, layers, 32, mixed=mixed, checkpointed=True)

    assert count(2) - count(1) == kept * 64 * 32


def test_full_training_on_one_gpu_needs_18_bytes_per_weight():
    """Float32 weights, gradients and two moments, and autocast's copy of all matrices."""
    found = measure(LLAMA, train(max_tokens=8))
    per_weight = (found.weights + found.optimiser + found.gradients) / LLAMA.weights
    assert per_weight == pytest.approx(16 + 2 * LLAMA.matrix_weights / LLAMA.weights)


def test_the_paper_s_8b_training_fits_into_eight_gpus_of_80_gb():
    """Shares of 4 GB of weights, 8 GB of moments and 4 GB of gradients."""
    settings = train(batch_size=32, processes=8, max_tokens=8192, gradient_checkpointing=True)
    found = measure(LLAMA, settings, sharded=True)
    assert found.optimiser == pytest.approx(8.03 * GB, rel=0.01)
    assert found.gradients == pytest.approx(4.0 * GB, rel=0.01)
    assert found.weights == pytest.approx((4.0 + 3.0) * GB, rel=0.02)  # own, and gathered
    assert 22 * GB < found.total < 30 * GB


def test_gemma_2b_fits_on_four_gpus_of_24_gb():
    settings = train(batch_size=32, processes=4, max_tokens=8192, gradient_checkpointing=True)
    found = measure(KNOWN["google/gemma-2b"], settings, sharded=True)
    assert 0.5 * 24 * GB < found.total < 0.7 * 24 * GB


def test_only_an_adapter_has_gradients_and_moments():
    settings = train(lora=LoRASettings(rank=16), max_tokens=2048, gradient_checkpointing=True)
    found = measure(QWEN, settings)
    # per layer: rank x (in + out) of seven matrices
    sides = (2048 + 2048) * 2 + (2048 + 1024) * 2 + (2048 + 6144) * 3
    trained = 28 * 16 * sides
    assert memory.count_trained(QWEN, settings, "language") == trained
    assert found.gradients == 4 * trained
    assert found.optimiser == 8 * trained
    rest = QWEN.weights - QWEN.matrix_weights
    assert found.weights == 2 * QWEN.matrix_weights + 4 * (rest + trained)
    assert found.total < 16 * GB
    named = train(lora=LoRASettings(rank=16, target_modules=("q_proj", "v_proj")))
    assert memory.count_trained(QWEN, named, "language") == 28 * 16 * (4096 + 3072)


def test_four_bits_and_an_8_bit_optimiser_need_less():
    whole = train(lora=LoRASettings(), max_tokens=512)
    quantised = whole.model_copy(update={"load_in_4bit": True})
    saved = (2 - 4.127 / 8) * QWEN.matrix_weights - 2 * QWEN.mlp_weights / 3
    difference = measure(QWEN, whole).weights - measure(QWEN, quantised).weights
    assert difference == pytest.approx(saved)
    full, small = train(max_tokens=512), train(max_tokens=512, optimizer="adamw_8bit")
    assert measure(QWEN, small).optimiser == measure(QWEN, full).optimiser / 4


@given(
    tokens=st.integers(8, 4096),
    batch=st.integers(1, 8),
    checkpointed=st.booleans(),
    sharded=st.booleans(),
)
def test_more_tokens_never_need_less(tokens, batch, checkpointed, sharded):
    settings = train(
        batch_size=8 * batch, micro_batch_size=batch, processes=8,
        gradient_checkpointing=checkpointed,
    )  # fmt: skip
    one, two = (measure(LLAMA, settings, tokens=n, sharded=sharded) for n in (tokens, tokens + 8))
    assert one.total < two.total


def test_a_sampler_s_cache_of_a_llama_3_token_has_128_kib():
    sampling = SamplingSettings(max_context_tokens=4096)
    one = memory.measure_sampling(LLAMA, sampling, 1000, 1)
    assert one.cache == 1000 * 128 * 1024
    fitting = memory.count_sequences(one, 72 * GB, 10_000)
    room = 72 * GB - (one.total - one.cache)
    assert fitting * one.cache <= room < (fitting + 1) * one.cache
    halved = memory.measure_sampling(LLAMA, sampling, 1000, 2)
    assert halved.weights == one.weights / 2


def test_logits_of_a_whole_batch_count_in_log_probabilities():
    found = memory.measure_forward(
        LLAMA, head="language", batch_tokens=8192, tokens=4096, weights=1e9
    )
    logits = 128256 * (2 * 8192 + 8 * 4096)
    scored = memory.measure_forward(
        LLAMA, head="reward", batch_tokens=8192, tokens=4096, weights=1e9
    )
    assert found.activations - scored.activations == logits


def test_a_reference_has_linear_layers_in_bfloat16_and_the_rest_in_float32():
    heads = LLAMA.embedding_weights
    found = memory.measure_reference_weights(LLAMA, train(), "bfloat16")
    linear = LLAMA.matrix_weights + heads
    assert found == 2 * linear + 4 * (LLAMA.weights - linear)
    # the head of Qwen3-1.7B is its embeddings: float32, with a copy
    tied = memory.measure_reference_weights(QWEN, train(), "bfloat16")
    rest = QWEN.weights - QWEN.matrix_weights
    assert tied == 2 * QWEN.matrix_weights + 4 * rest + 2 * QWEN.embedding_weights
    assert memory.measure_reference_weights(QWEN, train(), "float32") == 4 * QWEN.weights


def test_every_process_holds_all_models_in_host_memory():
    settings = train(processes=8, batch_size=32)
    found = memory.measure_host(LLAMA, settings, head="language", models=2)
    assert found == pytest.approx(514 * GB, rel=0.01)


def test_step_checkpoints_have_12_bytes_per_weight():
    found = disk.measure_step_checkpoints(LLAMA, train(), "language")
    assert found == 3 * 12 * LLAMA.weights
    none = train(checkpoint_steps=None)
    assert disk.measure_step_checkpoints(LLAMA, none, "language") == 0


def test_kept_shares_are_further_checkpoints():
    settings = train(kept_shares=(0.5,))
    assert disk.measure_checkpoints(LLAMA, settings, "language") == 2 * 4 * LLAMA.weights
    adapter = train(lora=LoRASettings())
    trained = memory.count_trained(QWEN, adapter, "language")
    found = disk.measure_checkpoints(QWEN, adapter, "language")
    assert found == 4 * (QWEN.weights + trained)
