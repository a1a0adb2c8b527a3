"""A model folder as one GGUF file, the format of llama.cpp: models of the Llama family.

The weights keep their type; vectors are float32, as llama.cpp needs them. llama.cpp rotates pairs
of neighbouring rows where transformers rotates the two halves of a head, so the rows of queries and
keys are reordered. Not here: the tokenizer (`training.export.gguf_tokenizer`).
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import gguf
import torch
from safetensors import safe_open
from transformers import AutoConfig, PretrainedConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from training.export.gguf_tokenizer import add_tokenizer, find_pre_tokenizer
from training.models.checkpoint import WEIGHTS
from transforms.errors import InputError

ARCHITECTURE = "LlamaForCausalLM"
"""The class in transformers whose models are written."""

ROPE_TYPES = ("default", "linear", "llama3")
"""Ways to stretch positions that are written."""

TYPES: Mapping[torch.dtype, tuple[gguf.GGMLQuantizationType, gguf.LlamaFileType]] = {
    torch.float32: (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    torch.float16: (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    torch.bfloat16: (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
}
"""Types in GGUF, of a weight and of a file, by the type of the model's weights."""

HEADS: Mapping[str, str] = {
    ".q_proj.": "num_attention_heads",
    ".k_proj.": "num_key_value_heads",
}
"""Weights with reordered rows, by a part of their name: key in config.json of their heads."""


def require_writable(model: Path) -> None:
    """Refuse a model that cannot be written as GGUF; no weights are read.

    Raises:
        InputError: the model is not of the Llama family, its positions or activations are of
            another kind, or `training.export.gguf_tokenizer.find_pre_tokenizer` refuses its
            tokenizer.
    """
    config = AutoConfig.from_pretrained(model)
    found = [*(config.architectures or ()), getattr(config, "hidden_act", None)]
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type")
    if found != [ARCHITECTURE, "silu"] or rope not in ROPE_TYPES:
        raise InputError(
            f"{model} cannot be written as GGUF",
            expected=f"{ARCHITECTURE} with silu, and positions of the type "
            + ", ".join(ROPE_TYPES),
            found=f"{' with '.join(map(str, found))}, and positions of the type {rope}",
            remedy="export without --gguf, and convert the folder with llama.cpp's"
            " convert_hf_to_gguf.py",
        )
    find_pre_tokenizer(model)


def write_gguf(model: Path, file: Path) -> None:
    """Write a model folder as one GGUF file; one weight is in memory at a time.

    Args:
        model: the folder; `require_writable` has accepted it.
        file: the file to write.
    """
    config = AutoConfig.from_pretrained(model)
    family = gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.LLAMA]
    with closing(gguf.GGUFWriter(file, family)) as writer:
        _add_shape(writer, config)
        add_tokenizer(writer, model, config.vocab_size)
        for name, weight in _read_weights(model, config):
            values, (kind, _) = _to_array(weight), TYPES[weight.dtype]
            writer.add_tensor_info(name, values.shape, values.dtype, values.nbytes, kind)
        writer.add_file_type(TYPES[config.dtype][1])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for _, weight in _read_weights(model, config):
            writer.write_tensor_data(_to_array(weight))


def _add_shape(writer: gguf.GGUFWriter, config: PretrainedConfig) -> None:
    """Add the sizes of a Llama model and the rotation of its positions."""
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if config.rope_parameters["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope_parameters["factor"])


def _read_weights(model: Path, config: PretrainedConfig) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the weights of a model by their names in GGUF, with the rows in llama.cpp's order."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    if config.rope_parameters["rope_type"] == "llama3":
        yield "rope_freqs.weight", _compute_slowdown(config)
    for file in sorted(model.glob(WEIGHTS)):
        with safe_open(file, framework="pt") as stored:
            for name in sorted(stored.keys()):
                weight = stored.get_tensor(name)
                for part, key in HEADS.items():
                    if part in name:
                        weight = _interleave(weight, getattr(config, key))
                found = names.get_name(name, try_suffixes=(".weight", ".bias"))
                assert found is not None, name  # every weight of the architecture has a name
                yield found, weight.float() if weight.ndim == 1 else weight


def _interleave(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Reorder the rows of each head: first and second half, alternately.

    Args:
        weight: [heads * head_dim, ...].
        heads: number of heads.

    Returns:
        The same shape.
    """
    halves = weight.reshape(heads, 2, -1, *weight.shape[1:])
    return halves.transpose(1, 2).reshape(weight.shape).contiguous()


def _compute_slowdown(config: PretrainedConfig) -> torch.Tensor:
    """Compute by how much each frequency is slower than without the stretching: [head_dim / 2]."""
    slowed, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
    return config.rope_parameters["rope_theta"] ** -exponents / slowed


def _to_array(weight: torch.Tensor) -> Any:
    """Return a weight as numpy's array; numpy has no bfloat16, and gets its two bytes."""
    return (weight.view(torch.uint16) if weight.dtype == torch.bfloat16 else weight).numpy()
