"""Preparing a model for one pass: of a tested family, with the attention that transformers chooses.

Not here: the families (`training.models.one_pass.tested_families`), the forward pass
(`training.models.one_pass.forward`).
"""

import logging

from transformers import PreTrainedModel

from training.models.one_pass.attention import NAME
from training.models.one_pass.tested_families import find_obstacle
from training.settings.training import TrainingSettings

LOGGER = logging.getLogger(__name__)


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
    gpus = len(set(getattr(model, "hf_device_map", {}).values()))
    obstacle = find_obstacle(model.config.model_type, settings, gpus)
    if obstacle is None and model.config._attn_implementation != "sdpa":
        return f"the model's attention is {model.config._attn_implementation}, not sdpa"
    return obstacle
