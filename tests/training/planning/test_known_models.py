"""The table of known models, against published sizes and models that transformers builds."""

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    LlamaConfig,
    MistralConfig,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from training.planning.known_models import KNOWN, find_architecture
from training.settings.plan.architecture import ArchitectureSettings

IMAGES = 416866032
# numbers of weights on the models' hub pages (safetensors, tied heads once)
PUBLISHED = {
    "meta-llama/Llama-2-7b": 6738415616,
    "meta-llama/Llama-2-13b": 13015864320,
    "meta-llama/Llama-2-70b": 68976648192,
    "meta-llama/Meta-Llama-3-8B": 8030261248,
    "meta-llama/Meta-Llama-3-70B": 70553706496,
    "meta-llama/Llama-3.1-8B": 8030261248,
    "meta-llama/Llama-3.1-70B": 70553706496,
    "meta-llama/Llama-3.1-405B": 405853388800,
    "meta-llama/Llama-3.2-1B": 1235814400,
    "meta-llama/Llama-3.2-3B": 3212749824,
    "meta-llama/Llama-3.3-70B": 70553706496,
    "Qwen/Qwen2.5-0.5B": 494032768,
    "Qwen/Qwen2.5-1.5B": 1543714304,
    "Qwen/Qwen2.5-3B": 3085938688,
    "Qwen/Qwen2.5-7B": 7615616512,
    "Qwen/Qwen2.5-14B": 14770033664,
    "Qwen/Qwen2.5-32B": 32763876352,
    "Qwen/Qwen2.5-72B": 72706203648,
    "Qwen/Qwen3-0.6B": 596049920,
    "Qwen/Qwen3-1.7B": 1720574976,
    "Qwen/Qwen3-4B": 4022468096,
    "Qwen/Qwen3-8B": 8190735360,
    "Qwen/Qwen3-14B": 14768307200,
    "Qwen/Qwen3-32B": 32762123264,
    "google/gemma-2b": 2506172416,
    "google/gemma-7b": 8537680896,
    "google/gemma-2-2b": 2614341888,
    "google/gemma-2-9b": 9241705984,
    "google/gemma-2-27b": 27227128320,
    "google/gemma-3-1b": 999885952,
    # the whole models, minus the same part for images and a projection of its 1,152 features
    "google/gemma-3-4b": 4300079472 - IMAGES - 1152 * (2560 + 1),
    "google/gemma-3-12b": 12187325040 - IMAGES - 1152 * (3840 + 1),
    "google/gemma-3-27b": 27432406640 - IMAGES - 1152 * (5376 + 1),
    "mistralai/Mistral-7B-v0.1": 7241732096,
    "mistralai/Mistral-7B-v0.2": 7241732096,
    "mistralai/Mistral-7B-v0.3": 7248023552,
    "HuggingFaceTB/SmolLM2-135M": 134515008,
    "HuggingFaceTB/SmolLM2-360M": 361821120,
    "HuggingFaceTB/SmolLM2-1.7B": 1711376384,
}
CONFIGS: dict[str, type[PretrainedConfig]] = {
    "Llama-2-7b": LlamaConfig,
    "Llama-3.2-1B": LlamaConfig,
    "Qwen2.5-0.5B": Qwen2Config,
    "Qwen3-1.7B": Qwen3Config,
    "gemma-2b": GemmaConfig,
    "gemma-2-2b": Gemma2Config,
    "gemma-3-1b": Gemma3TextConfig,
    "Mistral-7B-v0.1": MistralConfig,
    "SmolLM2-135M": LlamaConfig,
}


def find(name: str) -> ArchitectureSettings:
    return next(found for hub_id, found in KNOWN.items() if hub_id.endswith(f"/{name}"))


def test_the_weights_of_every_model_are_the_published_ones():
    assert {name: found.weights for name, found in KNOWN.items()} == PUBLISHED


@pytest.mark.parametrize("name", CONFIGS)
def test_weights_are_counted_as_torch_counts_them(name):
    """Two layers on the meta device: every term of the formula, and both kinds of heads."""
    known = find(name).model_copy(update={"layers": 2})
    assert known.model_type == CONFIGS[name].model_type
    config = CONFIGS[name](
        hidden_size=known.hidden_size,
        num_hidden_layers=known.layers,
        num_attention_heads=known.heads,
        num_key_value_heads=known.kv_heads,
        head_dim=known.head_size,
        intermediate_size=known.intermediate_size,
        vocab_size=known.vocab_size,
        tie_word_embeddings=known.tied,
        pad_token_id=0,
        num_labels=1,
    )
    with torch.device("meta"):
        causal = AutoModelForCausalLM.from_config(config)
        reward = AutoModelForSequenceClassification.from_config(config)
    assert sum(weight.numel() for weight in causal.parameters()) == known.weights
    assert sum(weight.numel() for weight in reward.parameters()) == known.reward_weights


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (LlamaConfig(), "Llama-2-7b"),
        (MistralConfig(), "Mistral-7B-v0.1"),
        (GemmaConfig(), "gemma-7b"),
        (Gemma2Config(), "gemma-2-2b"),
    ],
)
def test_defaults_of_transformers_are_those_of_the_table(config, name):
    known = find(name)
    assert known.hidden_size == config.hidden_size
    assert known.layers == config.num_hidden_layers
    assert known.heads == config.num_attention_heads
    assert known.kv_heads == (config.num_key_value_heads or config.num_attention_heads)
    assert known.intermediate_size == config.intermediate_size
    assert known.vocab_size == config.vocab_size
    assert known.tied == config.tie_word_embeddings


@pytest.mark.parametrize(
    ("copy", "base"),
    [
        ("meta-llama/Meta-Llama-3-8B-Instruct", "Meta-Llama-3-8B"),
        ("meta-llama/Llama-2-7b-chat-hf", "Llama-2-7b"),
        ("mistralai/Mistral-7B-Instruct-v0.2", "Mistral-7B-v0.2"),
        ("Qwen/Qwen3-1.7B-Base", "Qwen3-1.7B"),
        ("google/gemma-2b-it", "gemma-2b"),
    ],
)
def test_a_fine_tuned_copy_has_the_size_of_its_base(copy, base):
    assert find_architecture(copy) == find(base)


def test_an_unknown_id_has_no_architecture():
    assert find_architecture("someone/Qwen3-1.7B") is None
