"""Weights and configs of model folders: a model is loaded completely or refused.

transformers gives random numbers to every weight that the files do not contain, and ignores
every weight that the model does not have; it only logs both. Here both are errors. Also the GPUs
that a model is loaded on. Not here: the files of a folder (`training.models.checkpoint`),
tokenizers (`training.models.rendering`).
"""

import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.utils import logging

from transforms.errors import InputError

HEAD = "score.weight"
"""The scalar head of a reward model."""

ADDED_ROWS = "added_rows"
"""Key of config.json: rows without a token that were added to the embeddings."""

LANGUAGE_HEAD = "lm_head.weight"
"""The head of a causal model, which a reward model made from it does not have."""

USED_SHARE = 0.9
"""Share of a GPU's free memory that the weights of a model on several GPUs may use."""

SHOWN_NAMES = 4
"""Names of weights in an error message."""


def read_config(model: Path | str, **origin: str | None) -> PretrainedConfig:
    """Read the config of a model's text part; for a text model that is its whole config.

    Args:
        model: folder, or hub id.
        origin: `revision` of the hub model, or `gguf_file` in the folder.

    Raises:
        InputError: there is no config, or its kind of model is unknown.
    """
    try:
        return AutoConfig.from_pretrained(model, **origin).get_text_config(decoder=True)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"the config of model {model} cannot be read",
            expected="config.json of a model that transformers knows, without code of its own",
            found=_shorten(error),
            remedy="use another model, or a newer version of transformers",
        ) from None


def read_context_tokens(model: Path | str) -> int:
    """Return the context length of a model, in tokens.

    Raises:
        InputError: as in `read_config` and `get_context_tokens`.
    """
    return get_context_tokens(read_config(model))


def get_context_tokens(config: PretrainedConfig) -> int:
    """Return the context length in a config, in tokens.

    Raises:
        InputError: the config contains none.
    """
    tokens = getattr(config, "max_position_embeddings", None)
    if not isinstance(tokens, int):
        raise InputError(
            f"model {config.name_or_path} has no context length",
            expected="max_position_embeddings in config.json",
            found=str(tokens),
            remedy="use another model",
        )
    return tokens


def has_added_rows(model: Path) -> bool:
    """Check whether rows without a token were added to the embeddings of a model.

    Raises:
        InputError: as in `read_config`.
    """
    return bool(getattr(read_config(model), ADDED_ROWS, 0))


def require_embeddings(vocabulary: Mapping[str, int], rows: int, model: Path | str) -> None:
    """Refuse a tokenizer with a token that has no row in the model's embeddings.

    Args:
        vocabulary: token ids of the tokenizer, by token.
        rows: rows of the embeddings.
        model: the model, for the message.
    """
    token, number = max(vocabulary.items(), key=lambda item: item[1])
    if number >= rows:
        raise InputError(
            f"the vocabulary of {model} is larger than its embeddings",
            expected=f"token ids below {rows}, the rows of the embeddings",
            found=f"token {token!r} with id {number}",
            remedy="use the model's own tokenizer, or add the rows (resize_token_embeddings),"
            " train them, and save the model",
        )


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
    _require_text_model(model, revision)
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
    _require_class(AutoModelForCausalLM, text, "language model", model)
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
        _require_text_model(model, None)
    load_text_part(model, "float32", device_map="meta")


def require_classifier(model: Path | str, revision: str | None = None) -> None:
    """Refuse a model from which no reward model can be made; no weights are read.

    Raises:
        InputError: transformers has no sequence classifier of its kind.
    """
    text = read_config(model, revision=revision)
    _require_class(AutoModelForSequenceClassification, text, "reward model", model)


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
    _require_text_model(folder, None)
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


def require_classifier_weights(model: Path | str) -> None:
    """Check the weights of a classifier with one label as `require_causal_weights` does.

    Raises:
        InputError: as in `load_classifier`.
    """
    _require_text_model(model, None)
    load_weights(
        AutoModelForSequenceClassification,
        model,
        "float32",
        kind="reward model",
        unread=(LANGUAGE_HEAD,),
        num_labels=1,
        device_map="meta",
    )


def require_gpus(gpus: int) -> None:
    """Refuse more GPUs than this process sees. Without a GPU, every number is allowed.

    Raises:
        InputError: the message gives both numbers.
    """
    found = torch.cuda.device_count()
    if torch.cuda.is_available() and found < gpus:
        raise InputError(
            "too few GPUs for the model",
            expected=f"{gpus} GPUs (replicas x gpus_per_replica)",
            found=f"{found} GPUs",
            remedy="lower devices.replicas or devices.gpus_per_replica",
        )


def place_on_gpus(gpus: int) -> dict[str, Any]:
    """Return the arguments of `from_pretrained` that load a model onto GPUs of this process.

    One GPU is the current one. On several, each has about the same share of the weights, layer by
    layer, and the last tenth of its free memory is left for activations. Nothing is returned for 0
    GPUs, and without a GPU.

    Raises:
        InputError: as in `require_gpus`.
    """
    if not gpus or not torch.cuda.is_available():
        return {}
    require_gpus(gpus)
    if gpus == 1:
        return {"device_map": {"": torch.cuda.current_device()}}
    free = {gpu: torch.cuda.mem_get_info(gpu)[0] for gpu in range(gpus)}
    shares = {gpu: int(USED_SHARE * size) for gpu, size in free.items()}
    return {"device_map": "balanced", "max_memory": shares}


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
    if not sys.stderr.isatty():
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
            found=_shorten(error),
            remedy="check the model's folder or hub id",
        ) from error
    finally:
        logging.set_verbosity(reported)
    _require_loaded_on_gpus(loaded, model)
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


def _require_class(
    architecture: Any, config: PretrainedConfig, kind: str, model: Path | str
) -> None:
    """Refuse a config for which an automatic class of transformers has no model."""
    if type(config) not in architecture._model_mapping:
        raise InputError(
            f"model {model} cannot be a {kind}",
            expected=f"a model whose text part transformers has as a {kind}",
            found=f"{config.model_type}, not in {architecture.__name__}",
            remedy="use another model",
        )


def _require_loaded_on_gpus(loaded: PreTrainedModel, model: Path | str) -> None:
    """Refuse a model with weights that transformers put elsewhere, because the GPUs were full."""
    places = list(getattr(loaded, "hf_device_map", {}).values())
    if "disk" in places or ("cpu" in places and len(places) > 1):
        gpus = len(set(places) - {"cpu", "disk"})
        raise InputError(
            f"model {model} is too large for {gpus} GPUs",
            expected="weights that fit into the free memory of the GPUs",
            found=f"{places.count('disk') + places.count('cpu')} parts without a place",
            remedy="raise gpus_per_replica, and lower replicas if there are no further GPUs",
        )


def _require_text_model(model: Path | str, revision: str | None) -> None:
    """Refuse a model that has parts for images or sound: only its text part would be trained."""
    text = read_config(model, revision=revision)
    kind = AutoConfig.from_pretrained(model, revision=revision).model_type
    if text.model_type != kind:
        raise InputError(
            f"model {model} is not a text model",
            expected="a model of text alone",
            found=f"{kind}, of which {text.model_type} is the text part",
            remedy="save its text part as a model of its own, or use another model",
        )


def _list_names(names: Collection[str]) -> str:
    """List names; of many, the first ones and their number."""
    shown = ", ".join([*names][:SHOWN_NAMES])
    return f"{shown}, ... ({len(names)} weights)" if len(names) > SHOWN_NAMES else shown


def _shorten(error: Exception) -> str:
    """Return the first line of an error's message."""
    return str(error).strip().partition("\n")[0]
