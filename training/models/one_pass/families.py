"""The models that run one pass: tested families, with the attention that transformers chooses.

Not here: the forward pass (`training.models.one_pass.forward`).
"""

import logging

from transformers import PreTrainedModel

from training.models.one_pass.attention import NAME
from training.settings.training import TrainingSettings

LOGGER = logging.getLogger(__name__)

FAMILIES = frozenset(
    {"gemma", "gemma3_text", "llama", "mistral", "olmo2", "phi3", "qwen2", "qwen3"}
)
"""`model_type`s that are tested: their layers pass unknown arguments on to the attention function,
and no layer reads other tokens in another way."""


def prepare_one_pass(model: PreTrainedModel, settings: TrainingSettings | None = None) -> bool:
    """Make a model's layers read packed rows if they can; else log why they cannot.

    A model of another family, with another attention than the one that transformers chooses, on
    several GPUs or compiled runs as transformers runs it.

    Args:
        model: a causal language model or a sequence classifier; changed in place.
        settings: those of its training, if it is trained.

    Returns:
        Whether the model reads packed rows, and only them, from now on.
    """
    obstacle = _find_obstacle(model, settings)
    if obstacle is None:
        model.set_attn_implementation(NAME)
        return True
    LOGGER.warning("prompts are computed once per response, with padding: %s", obstacle)
    return False


def reads_packed_rows(model: PreTrainedModel) -> bool:
    """Check whether a model is prepared."""
    return model.config._attn_implementation == NAME


def _find_obstacle(model: PreTrainedModel, settings: TrainingSettings | None) -> str | None:
    if model.config.model_type not in FAMILIES:
        return f"one pass is not tested for models of type {model.config.model_type}"
    if model.config._attn_implementation != "sdpa":
        return f"the model's attention is {model.config._attn_implementation}, not sdpa"
    if len(set(getattr(model, "hf_device_map", {}).values())) > 1:
        return "the model is on several GPUs"
    if settings is not None and settings.attn_implementation is not None:
        return "attn_implementation is set"
    if settings is not None and settings.torch_compile:
        return "torch_compile is set"
    return None
