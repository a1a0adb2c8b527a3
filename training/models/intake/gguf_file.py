"""GGUF files: where one is, whether it can be read here, and the hash of its content.

A GGUF file contains a whole model: config, quantised weights, tokenizer and chat template
(https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). Not here: reading it
(`training.models.initial_model`). Imports no torch.
"""

from importlib.util import find_spec
from pathlib import Path

from training.settings.model import PACKAGE
from transforms.errors import InputError
from transforms.file_hash import hash_file

MAGIC = b"GGUF"
"""First bytes of every GGUF file."""


def locate_gguf(gguf: str) -> Path | None:
    """Return the path of a GGUF file; None if its package is not installed.

    Args:
        gguf: a path, or `package:NAME/FILE`: a file in the folder of an installed package, which is
            not imported.
    """
    if not gguf.startswith(PACKAGE):
        return Path(gguf)
    name, _, file = gguf.removeprefix(PACKAGE).partition("/")
    found = find_spec(name) if name.isidentifier() else None
    places = found.submodule_search_locations if found else None
    return Path(places[0]) / file if places else None


def require_gguf(gguf: str) -> Path:
    """Return the path of a GGUF file that can be read here.

    Raises:
        InputError: there is no such package or file, it is no GGUF file, or the package `gguf` is
            missing.
    """
    file = locate_gguf(gguf)
    if file is None:
        name = gguf.removeprefix(PACKAGE).partition("/")[0]
        raise InputError(
            f"the package of model.gguf: {gguf} is not installed",
            expected=f"{PACKAGE}NAME/FILE with the name of an installed Python package",
            found=f"no package {name!r}",
            remedy="install the package, or give the path of a file",
        )
    if not file.is_file():
        raise InputError(
            f"model.gguf: {gguf} cannot be read",
            expected="a GGUF file",
            found=f"no file {file}",
            remedy="check the path; it is relative to the recipe's folder",
        )
    with file.open("rb") as stream:
        first = stream.read(len(MAGIC))
    if first != MAGIC:
        raise InputError(
            f"model.gguf: {gguf} is not a GGUF file",
            expected=f"a file that begins with {MAGIC!r}",
            found=repr(first),
            remedy="give a GGUF file; the folder of a model is model.path",
        )
    if find_spec("gguf") is None:
        raise InputError(
            "the package that reads GGUF files is missing",
            expected="the module gguf",
            found="no such module in this environment",
            remedy="pip install 'prefloop[gguf]'",
        )
    return file


def describe_gguf(gguf: str) -> str:
    """Describe a GGUF file by the hash of its content: the same file elsewhere is the same model.

    An absent file is described as absent, so that a study
    can be looked at where its first model is not.
    """
    file = locate_gguf(gguf)
    if file is None or not file.is_file():
        return "absent"
    return f"sha256:{hash_file(file)}"
