"""The architecture and the number of weights of a recipe's model, without network.

In this order: a tiny model's settings; `plan.architecture`; the config in a GGUF file, or
config.json of the model's folder or in the hub's cache, from which torch counts the weights on its
meta device, without memory for them; the table of known models. Importing this module loads no
torch.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from training.models.intake.gguf_file import require_gguf
from training.planning.facts import Fact
from training.planning.known_models import find_architecture
from training.recipe import Recipe
from training.settings.model import TinyModelSettings
from training.settings.plan.architecture import ArchitectureSettings
from transforms.errors import InputError

if TYPE_CHECKING:
    from transformers import PretrainedConfig


@dataclass(frozen=True)
class ModelSize:
    """A model's architecture, and the fact of its number of weights."""

    architecture: ArchitectureSettings
    weights: Fact


def find_model_size(recipe: Recipe) -> ModelSize:
    """Find the size of the initial model.

    Raises:
        InputError: the id is unknown, and neither config.json nor `plan.architecture` is at hand.
    """
    model, given = recipe.model, recipe.plan.architecture
    if model.tiny is not None:
        tiny = describe_tiny(model.tiny)
        return ModelSize(tiny, Fact("weights", tiny.weights, "", "recipe", "model.tiny"))
    if given is not None:
        return ModelSize(given, Fact("weights", given.weights, "", "recipe", "plan.architecture"))
    if model.gguf is not None:
        from training.models.loading.config import read_config

        file = require_gguf(model.gguf)
        return _measure(read_config(file.parent, gguf_file=file.name), file)
    path = str(model.path)
    config = _find_config(path, model.revision)
    if config is not None:
        return read_model_size(config)
    known = find_architecture(path)
    if known is None:
        raise InputError(
            f"the size of model {path} is unknown",
            expected="an id of training/planning/known_models.py, or config.json on this machine",
            found="neither",
            remedy="give the numbers of its config.json as plan.architecture in the recipe:"
            f" {', '.join(ArchitectureSettings.model_fields)}",
        )
    return ModelSize(known, Fact("weights", known.weights, "", "published", f"config.json, {path}"))


def describe_tiny(tiny: TinyModelSettings) -> ArchitectureSettings:
    """Return the architecture of a new tiny model."""
    return ArchitectureSettings(
        model_type="llama",
        hidden_size=tiny.hidden_size,
        layers=tiny.layers,
        heads=tiny.heads,
        kv_heads=tiny.heads,
        head_size=tiny.hidden_size // tiny.heads,
        intermediate_size=tiny.intermediate_size,
        vocab_size=tiny.vocab_size,
    )


def read_model_size(config_file: Path) -> ModelSize:
    """Read an architecture from a folder's config.json, and count the weights on a meta device.

    Args:
        config_file: config.json of a causal language model.

    Raises:
        InputError: transformers does not know the model.
    """
    from training.models.loading.config import read_config

    return _measure(read_config(config_file.parent), config_file)


def _measure(config: "PretrainedConfig", file: Path) -> ModelSize:
    """Describe a config, and count the weights of its model on a meta device."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    names = {name for name, _ in model.named_parameters() if ".layers.0." in name}
    heads = config.num_attention_heads
    architecture = ArchitectureSettings(
        model_type=config.model_type,
        hidden_size=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=heads,
        kv_heads=getattr(config, "num_key_value_heads", None) or heads,
        head_size=getattr(config, "head_dim", None) or config.hidden_size // heads,
        intermediate_size=config.intermediate_size,
        vocab_size=config.vocab_size,
        tied=config.tie_word_embeddings,
        qkv_bias=any(name.endswith("q_proj.bias") for name in names),
        qk_norm=any(name.endswith("q_norm.weight") for name in names),
        norms_per_layer=sum(name.endswith("layernorm.weight") for name in names) or 2,
    )
    weights = sum(parameter.numel() for parameter in model.parameters())
    fact = Fact("weights", weights, "", "measured", f"{file}, counted by torch")
    return ModelSize(architecture, fact)


def _find_config(path: str, revision: str | None) -> Path | None:
    """Return config.json of a local folder, or of the hub's cache on this machine."""
    local = Path(path).expanduser() / "config.json"
    if local.is_file():
        return local
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(path, "config.json", revision=revision)
    except HFValidationError:  # a path that is no id: a folder which does not exist yet
        return None
    return Path(cached) if isinstance(cached, str) else None
