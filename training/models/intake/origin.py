"""Where an initial model comes from, and what identifies it: a folder, a hub id or a GGUF file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from training.models.checkpoint import describe_files
from training.models.intake.gguf_file import describe_gguf, require_gguf
from training.settings.model import ModelSettings
from transforms.errors import InputError


class Origin(NamedTuple):
    """A model for `from_pretrained`."""

    model: str
    """A folder or a hub id."""
    arguments: Mapping[str, str]
    """`revision`: the commit of a hub model; `gguf_file`: the file in the folder."""


def find_origin(settings: ModelSettings) -> Origin:
    """Find the model of the settings. Of a hub model, the commit of the revision is resolved.

    Raises:
        InputError: there is no model, the GGUF file cannot be read, or the hub model is neither
            reachable nor on this machine.
    """
    if settings.gguf is not None:
        file = require_gguf(settings.gguf)
        return Origin(str(file.parent), {"gguf_file": file.name})
    if settings.path is None:
        raise InputError(
            "there is no model to load",
            expected="model.path, a local folder or a hub id, or model.gguf",
            found="both are null",
            remedy="set one of them, or set model.tiny to make a model",
        )
    if Path(settings.path).is_dir():
        return Origin(settings.path, {})
    return Origin(settings.path, {"revision": _resolve_commit(settings.path, settings.revision)})


def describe_model(settings: ModelSettings) -> dict[str, Any]:
    """Describe the initial model as a recorded setting: another model or an edited file changes it.

    A GGUF file counts by its content, not by its place.
    """
    described = settings.model_dump()
    gguf = described.pop("gguf")
    if gguf is not None:
        described["gguf"] = describe_gguf(gguf)
    return {"model": described, **describe_files(settings.path, settings.tokenizer)}


def _resolve_commit(model: str, revision: str | None) -> str:
    """Return the commit that a revision of a hub model means now."""
    from transformers.utils.hub import cached_file, extract_commit_hash

    try:
        config = cached_file(model, "config.json", revision=revision)
    except OSError as error:
        raise InputError(
            f"model {model} cannot be read",
            expected="a folder, or a hub id that this machine can reach or has in its cache",
            found=str(error).strip().partition("\n")[0],
            remedy="check the name; without network, download the model before"
            f" (hf download {model}), or give its folder",
        ) from None
    return str(extract_commit_hash(str(config), None) or revision)
