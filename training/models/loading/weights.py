"""Weights of model folders: a model is loaded completely or refused.

transformers gives random numbers to every weight that the files do not contain, and ignores
every weight that the model does not have; it only logs both. Here both are errors. Not here:
configs (`training.models.loading.config`), the files of a folder (`training.models.checkpoint`),
tokenizers (`training.models.rendering`).
"""

import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import logging

from training.models.loading.config import (
    read_config,
    require_class,
    require_text_model,
    shorten_error,
)
from training.models.loading.gpus import place_on_gpus, require_loaded_on_gpus
from transforms.errors import InputError

HEAD = "score.weight"
"""The scalar head of a reward model."""

LANGUAGE_HEAD = "lm_head.weight"
"""The head of a causal model, which a reward model made from it does not have."""

SHOWN_NAMES = 4
"""Names of weights in an error message."""


def load_causal_model(
    model: Path | str,
    dtype: str,
    *,
    revision: str | None = None,
    gpus: int = 0,
    **options: Any,
) -> PreTrainedModel:
    """Load a causal language model with all its weights.

    Args:
        model: folder, or hub id.
        dtype: dtype of the weights.
        revision: Git revision of the hub model.
        gpus: GPUs to load it on (`place_on_gpus`); 0 loads it into the memory of the processor.
        options: further arguments of `from_pretrained`.

    Raises:
        InputError: the model cannot be loaded, is not a text model, or its weights are not
            exactly those of the files.
    """
    require_text_model(model, revision)
    return load_text_part(model, dtype, revision=revision, **place_on_gpus(gpus), **options)


def load_text_part(
    model: Path | str, dtype: str, *, revision: str | None = None, **arguments: Any
) -> PreTrainedModel:
    """Load a text model, or the text part of a model that also reads images, as a text model.

    Args:
        model: folder, or hub id.
        dtype: dtype of the weights.
        revision: Git revision of the hub model.
        arguments: further arguments of `from_pretrained`.

    Raises:
        InputError: as in `load_causal_model`, or transformers has no causal language model of the
            text part alone.
    """
    text = read_config(model, revision=revision)
    arguments |= {"revision": revision}
    if text.model_type == AutoConfig.from_pretrained(model, revision=revision).model_type:
        return load_weights(AutoModelForCausalLM, model, dtype, kind="language model", **arguments)
    require_class(AutoModelForCausalLM, text, "language model", model)
    kind = "model of text and images"
    whole = load_weights(AutoModelForImageTextToText, model, dtype, kind=kind, **arguments)
    with torch.device("meta"):
        part = AutoModelForCausalLM.from_config(text)
    part.model = next(one for one in whole.modules() if type(one) is type(part.model))
    part.set_output_embeddings(whole.get_output_embeddings())
    part.generation_config = whole.generation_config
    part.config.dtype = whole.dtype
    part.config.tie_word_embeddings = whole.config.tie_word_embeddings
    return part


def require_causal_weights(model: Path | str, *, text_part: bool = False) -> None:
    """Check the weights of a causal language model by their names and shapes; none is read.

    For a model that a library loads by itself, or that is loaded later.

    Args:
        model: folder, or hub id.
        text_part: whether a model that also reads images is allowed, whose text part is used.

    Raises:
        InputError: as in `load_causal_model` or `load_text_part`.
    """
    if not text_part:
        require_text_model(model, None)
    load_text_part(model, "float32", device_map="meta")


def require_classifier(model: Path | str, revision: str | None = None) -> None:
    """Refuse a model from which no reward model can be made; no weights are read.

    Raises:
        InputError: transformers has no sequence classifier of its kind.
    """
    text = read_config(model, revision=revision)
    require_class(AutoModelForSequenceClassification, text, "reward model", model)


def require_trainable_classifier(model: Path | str) -> None:
    """Refuse a classifier that `training.reward_model` cannot train further; no weights are read.

    Raises:
        InputError: it is no causal decoder, whose head `score` reads the last token.
    """
    kind = read_config(model).model_type
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise InputError(
            f"the reward model {model} cannot be trained further",
            expected="a causal decoder, whose reward is read at the last token in training",
            found=f"{kind}, whose head reads other tokens",
            remedy="use it without feedback, or another reward model",
        )


def load_classifier(
    folder: Path, dtype: str, *, new_head: bool = False, gpus: int = 0, **options: Any
) -> PreTrainedModel:
    """Load a sequence classifier with one label: a reward model.

    Args:
        folder: folder of the model.
        dtype: dtype of the weights.
        new_head: whether a causal model gets a new head, with weights from torch's generator. A
            classifier always keeps its own.
        gpus: as in `load_causal_model`.
        options: further arguments of `from_pretrained`.

    Raises:
        InputError: as in `load_causal_model`. A head that the model's class in transformers does
            not have is refused, too: what it computes is not known.
    """
    require_text_model(folder, None)
    architectures = AutoConfig.from_pretrained(folder).architectures or ()
    is_causal = not any("Classification" in name for name in architectures)
    return load_weights(
        AutoModelForSequenceClassification,
        folder,
        dtype,
        kind="reward model",
        absent=(HEAD,) if new_head and is_causal else (),
        unread=(LANGUAGE_HEAD,),
        num_labels=1,
        **place_on_gpus(gpus),
        **options,
    )


def require_classifier_weights(model: Path | str) -> PreTrainedModel:
    """Check the weights of a classifier with one label as `require_causal_weights` does.

    Returns:
        The model, without the values of its weights.

    Raises:
        InputError: as in `load_classifier`.
    """
    require_text_model(model, None)
    return load_weights(
        AutoModelForSequenceClassification,
        model,
        "float32",
        kind="reward model",
        unread=(LANGUAGE_HEAD,),
        num_labels=1,
        device_map="meta",
    )


def load_weights(
    architecture: Any,
    model: Path | str,
    dtype: str,
    *,
    kind: str,
    absent: Sequence[str] = (),
    unread: Sequence[str] = (),
    **arguments: Any,
) -> PreTrainedModel:
    """Load a model of an automatic class of transformers with all its weights.

    Args:
        architecture: the automatic class.
        model: folder, or hub id.
        dtype: dtype of the weights.
        kind: what it is, for messages.
        absent: names of weights that may be missing in the files.
        unread: names of weights that may be in the files although the model has none of them.
        arguments: further arguments of `from_pretrained`.

    Raises:
        InputError: as in `load_causal_model`.
    """
    if not sys.stderr.isatty() or arguments.get("device_map") == "meta":  # where nothing is read
        logging.disable_progress_bar()  # one per model, and one per file that is saved later
    reported = logging.get_verbosity()
    logging.set_verbosity_error()  # instead of its report, the error below
    try:
        loaded, info = architecture.from_pretrained(
            model,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **arguments,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"model {model} cannot be loaded",
            expected="the safetensors weights of a text model that transformers knows",
            found=shorten_error(error),
            remedy="check the model's folder or hub id",
        ) from error
    finally:
        logging.set_verbosity(reported)
    require_loaded_on_gpus(loaded, model)
    missing = sorted(set(info["missing_keys"]) - set(absent))
    unknown = sorted(set(info["unexpected_keys"]) - set(unread))
    sizes = [
        (f"{name} {tuple(wanted)}", f"{name} {tuple(found)}")
        for name, found, wanted in sorted(info["mismatched_keys"])
    ]
    if missing or unknown or sizes:
        extra = sorted(info["unexpected_keys"])
        raise InputError(
            f"{model} is not a {kind}: its weights are not those of {type(loaded).__name__}",
            expected=_list_names([*missing, *(wanted for wanted, _ in sizes)])
            or "no further weights",
            found=_list_names([*extra, *(found for _, found in sizes)]) or "no such weights",
            remedy="use a model of this kind; give a weight another name only if it computes the"
            " same under it",
        )
    return loaded


def _list_names(names: Collection[str]) -> str:
    """List names; of many, the first ones and their number."""
    shown = ", ".join([*names][:SHOWN_NAMES])
    return f"{shown}, ... ({len(names)} weights)" if len(names) > SHOWN_NAMES else shown
