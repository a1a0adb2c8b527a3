"""The families of models that are tested for one pass, and settings under which they run it.

Imports no torch, so that a plan of the work can ask. Not here: preparing a loaded model
(`training.models.one_pass.families`).
"""

from training.settings.training import TrainingSettings

FAMILIES = frozenset(
    {"gemma", "gemma3_text", "llama", "mistral", "olmo2", "phi3", "qwen2", "qwen3"}
)
"""`model_type`s that are tested: their layers pass unknown arguments on to the attention function,
and no layer reads other tokens in another way."""


def find_obstacle(model_type: str, settings: TrainingSettings | None, gpus: int = 1) -> str | None:
    """Return why a prompt is computed once per response, or None if it is computed once for all.

    Args:
        model_type: of the model's config.
        settings: those of the training, if the model is trained.
        gpus: GPUs that share a copy of the model.
    """
    if model_type not in FAMILIES:
        return f"one pass is not tested for models of type {model_type}"
    if gpus > 1:
        return "the model is on several GPUs"
    if settings is not None and settings.attn_implementation is not None:
        return "attn_implementation is set"
    if settings is not None and settings.torch_compile:
        return "torch_compile is set"
    return None
