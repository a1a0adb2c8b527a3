"""Adapters (LoRA, QLoRA): the frozen weights beside them, and the whole model made of both.

Three types of weights are in memory. A frozen linear layer is in the compute type, or in 4 bits.
An adapter is float32, because a bfloat16 weight would round small updates to zero. The rest
(embeddings, norms, output head) is frozen and float32. So an untrained adapter gives exactly the
outputs of the same model in float32 under autocast, such as the reference of DPO.

A checkpoint is a whole model: the starting weights, loaded again in float32, plus alpha / rank B A,
computed in float32. Neither the compute type nor the 4 bits are in the sum. Not here: training
(`training.runs.trainer`).
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate.utils import is_peft_model
from peft import (
    LoraConfig,
    PeftModel,
    TaskType,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from transformers import (
    BitsAndBytesConfig,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
)

from training.models.checkpoint import ADAPTER
from training.settings.training import TrainingSettings

Load = Callable[..., PreTrainedModel]
"""Loads the model that a training starts from: `load(dtype, **options)`, with further arguments of
`from_pretrained`. Every call gives the same weights, also those that are in no file."""


def load_model(load: Load, settings: TrainingSettings, dtype: str) -> PreTrainedModel:
    """Load a model in the types of a training; without `lora`, all weights are float32.

    Args:
        load: loads it.
        settings: lora, load_in_4bit, attn_implementation.
        dtype: compute type, `float32` or `bfloat16`.
    """
    options: dict[str, Any] = {}
    if settings.attn_implementation is not None:
        options["attn_implementation"] = settings.attn_implementation
    if settings.load_in_4bit:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=getattr(torch, dtype),
        )
    model = load("float32", **options)
    if settings.lora is not None and not settings.load_in_4bit:
        for module in model.modules():
            if type(module) is torch.nn.Linear and module not in _list_heads(model):
                module.to(getattr(torch, dtype))
    return model


def load_trained(
    load: Load, settings: TrainingSettings, dtype: str, *, head: str | None = None
) -> dict[str, Any]:
    """Load the model that a training starts from, as arguments of a TRL trainer.

    Args:
        load: loads the model.
        settings: lora, load_in_4bit, attn_implementation.
        dtype: compute type, `float32` or `bfloat16`.
        head: name of a classifier's head, which is trained whole.

    Returns:
        `model`, and `peft_config`, which is None without `lora`.
    """
    lora = settings.lora
    return {
        "model": load_model(load, settings, dtype),
        "peft_config": lora
        and LoraConfig(
            r=lora.rank,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=lora.target_modules
            if isinstance(lora.target_modules, str)
            else list(lora.target_modules),
            modules_to_save=[head] if head else None,
            task_type=TaskType.SEQ_CLS if head else TaskType.CAUSAL_LM,
        ),
    }


def keep_adapter_in_float32(model: torch.nn.Module) -> None:
    """Make the trained weights float32: TRL makes those beside 4-bit weights bfloat16."""
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()


def save_whole_model(trainer: Trainer, load: Load, folder: Path) -> None:
    """Save a trainer's model and tokenizer; merge an adapter, and keep it in the folder `adapter`.

    Args:
        trainer: the trainer. With an adapter only its main process writes.
        load: loads the model that the training started from.
        folder: folder to write into.
    """
    if not is_peft_model(trainer.model):
        whole = cast(PreTrainedModel, trainer.model)
        # FSDP gathers tied weights one by one, and each would be written
        whole._keys_to_ignore_on_save = set(whole.all_tied_weights_keys)
        trainer.save_model(str(folder))
        if trainer.args.should_save:
            (folder / "training_args.bin").unlink()  # a pickle; settings.json has the settings
        return
    if not trainer.args.should_save:
        return
    trained = cast(PeftModel, trainer.model)
    trained.save_pretrained(str(folder / ADAPTER))
    with _keep_random_states():
        whole = merge_adapter(load("float32"), trained)
    base = trained.get_base_model()
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        setattr(whole.config, name, getattr(base.config, name))
    if whole.can_generate():
        whole.generation_config = cast(GenerationConfig, base.generation_config)
    whole.save_pretrained(folder)
    cast(PreTrainedTokenizerBase, trainer.processing_class).save_pretrained(folder)


def merge_adapter(base: PreTrainedModel, trained: PeftModel) -> PreTrainedModel:
    """Add an adapter to float32 weights: W + alpha / rank B A; a trained head replaces its own.

    Args:
        base: the model that the adapter's training started from; changed in place.
        trained: the model with the adapter.
    """
    merged = get_peft_model(base, trained.active_peft_config)
    adapter = get_peft_model_state_dict(trained, save_embedding_layers=False)
    set_peft_model_state_dict(merged, adapter)
    return cast(PreTrainedModel, merged.merge_and_unload(safe_merge=True))


def _list_heads(model: PreTrainedModel) -> list[torch.nn.Module | None]:
    """Return the output layers of a causal model and of a classifier, which may be missing."""
    return [model.get_output_embeddings(), getattr(model, "score", None)]


@contextmanager
def _keep_random_states() -> Iterator[None]:
    """Restore all random states at the end: a training goes on as if nothing had been drawn."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        yield
    random.setstate(python)
    np.random.set_state(numpy)
