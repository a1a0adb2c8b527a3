"""Where an initial model comes from, and what identifies it: a folder, a hub id or a GGUF file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from training.models.checkpoint import identify_model
from training.models.intake.gguf_file import describe_gguf, require_gguf
from training.models.intake.hub import fetch_hub_model
from training.settings.model import ModelSettings
from transforms.errors import InputError


class Origin(NamedTuple):
    """A model for `from_pretrained`."""

    folder: str
    """Its folder on this machine."""
    arguments: Mapping[str, str]
    """`gguf_file`: the file in the folder."""
    found: Mapping[str, str]
    """What is recorded: `revision`, the commit of a hub model; `gguf_file`."""


def find_origin(settings: ModelSettings, *, weights: bool = True) -> Origin:
    """Find the model of the settings; a hub model is downloaded.

    Args:
        settings: the settings.
        weights: whether the weights are needed.

    Raises:
        InputError: there is no model, the GGUF file cannot be read, or the hub model is neither
            reachable nor on this machine.
    """
    if settings.gguf is not None:
        file = require_gguf(settings.gguf)
        arguments = {"gguf_file": file.name}
        return Origin(str(file.parent), arguments, arguments)
    if settings.path is None:
        raise InputError(
            "there is no model to load",
            expected="model.path, a local folder or a hub id, or model.gguf",
            found="both are null",
            remedy="set one of them, or set model.tiny to make a model",
        )
    if Path(settings.path).is_dir():
        return Origin(settings.path, {}, {})
    folder = fetch_hub_model(settings.path, settings.revision, weights=weights)
    return Origin(str(folder), {}, {"revision": folder.name})


def find_tokenizer(settings: ModelSettings) -> Origin | None:
    """Find the tokenizer of the settings, if it is another model's; one of the hub is downloaded.

    Raises:
        InputError: it is neither a folder nor a hub model that can be read.
    """
    if settings.tokenizer is None:
        return None
    if Path(settings.tokenizer).is_dir():
        return Origin(settings.tokenizer, {}, {})
    folder = fetch_hub_model(settings.tokenizer, None, kind="tokenizer", weights=False)
    return Origin(str(folder), {}, {"tokenizer_revision": folder.name})


def describe_model(settings: ModelSettings) -> dict[str, Any]:
    """Describe the initial model as a recorded setting: another model or an edited file changes it.

    Files count by their content, not by their place.
    """
    described = settings.model_dump()
    described |= {key: identify_model(described[key]) for key in ("path", "tokenizer")}
    gguf = described.pop("gguf")
    if gguf is not None:
        described["gguf"] = describe_gguf(gguf)
    return {"model": described}
