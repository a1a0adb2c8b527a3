"""Configs of model folders: the text part, its context, its embeddings.

Not here: weights (`training.models.loading.weights`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PretrainedConfig

from transforms.errors import InputError

ADDED_ROWS = "added_rows"
"""Key of config.json: rows without a token that were added to the embeddings."""


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
            found=shorten_error(error),
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


def require_text_model(model: Path | str, revision: str | None) -> None:
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


def require_class(
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


def shorten_error(error: Exception) -> str:
    """Return the first line of an error's message."""
    return str(error).strip().partition("\n")[0]
