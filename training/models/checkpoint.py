"""Model folders (checkpoints): hashes, checks for missing files, atomic replacement.

A checkpoint is a folder with safetensors weights, a tokenizer and a chat template. A new one is
written under a temporary name and renamed at the end, so a half-written folder never has the final
name. Imports no torch.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from transforms.errors import InputError

BLOCK_BYTES = 1 << 22
"""Bytes per read when weights are hashed."""


def hash_checkpoint(folder: Path) -> str:
    """Hash weights, tokenizer and chat template to a checkpoint id of 32 hexadecimal digits.

    The name and size of each file are hashed before its bytes, so that bytes cannot move from one
    file to the next without a change of the hash. Settings and metrics are not hashed: equal models
    have equal ids.

    Raises:
        InputError: the folder contains no safetensors weights.
    """
    folder = Path(folder)
    files = [*_list_weights(folder), folder / "tokenizer.json", folder / "chat_template.jinja"]
    hashed = hashlib.sha256()
    for file in (file for file in files if file.is_file()):
        hashed.update(f"{file.name}\x1f{file.stat().st_size}\x1e".encode())
        with file.open("rb") as stream:
            while block := stream.read(BLOCK_BYTES):
                hashed.update(block)
    inline = _inline_template(folder)
    if inline is not None:
        hashed.update(inline.encode())
    return hashed.hexdigest()[:32]


def require_model(folder: Path | str, *, chat_template: bool = True) -> None:
    """Refuse a folder without one of the files that the stages read.

    Args:
        folder: a local folder. A hub model must be downloaded first
            (`training.models.initial_model.fetch_initial_model`).
        chat_template: whether a chat template is required.

    Raises:
        InputError: config, safetensors weights, tokenizer or chat template is missing, or a
            weights file is incomplete.
    """
    path = Path(folder)
    if not path.is_dir():
        raise InputError(
            f"model {folder} cannot be read",
            expected="a folder with config.json, *.safetensors, a tokenizer and a chat template",
            found="a file" if path.is_file() else "no such folder",
            remedy="give the folder of a finished checkpoint; download a hub model first",
        )
    tokenizer = ("tokenizer.json", "tokenizer.model", "vocab.json")
    missing = []
    if not (path / "config.json").is_file():
        missing.append("config.json")
    if not sorted(path.glob("*.safetensors")):
        missing.append("*.safetensors weights")
    if not any((path / name).is_file() for name in tokenizer):
        missing.append("a tokenizer (tokenizer.json)")
    has_template = (path / "chat_template.jinja").is_file() or _inline_template(path) is not None
    if chat_template and not has_template:
        missing.append("a chat template (chat_template.jinja)")
    if missing:
        raise InputError(
            f"model {folder} is incomplete: {', '.join(missing)} missing",
            expected="config.json, *.safetensors, a tokenizer and a chat template",
            found=", ".join(sorted(file.name for file in path.iterdir())) or "an empty folder",
            remedy="use an instruction-tuned model that was saved with save_pretrained",
        )
    for weights in sorted(path.glob("*.safetensors")):
        _require_complete(weights)


def save_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write resolved settings as `settings.json` into a model folder."""
    text = json.dumps(settings, indent=2, sort_keys=True, default=str)
    (Path(folder) / "settings.json").write_text(text + "\n", encoding="utf-8")


@contextmanager
def build_folder(
    output: Path, *, main_process: bool = True, wait: Callable[[], None] = lambda: None
) -> Iterator[Path]:
    """Yield a temporary folder, and rename it to `output` when the body ends without an error.

    If the body fails, `output` is unchanged. The next call removes the unfinished folder.

    Args:
        output: the finished folder; an existing one is replaced.
        main_process: whether this process creates and renames the folder. The others only write
            files into it.
        wait: blocks until every process has called it.
    """
    output = Path(output)
    unfinished = output.parent / f".{output.name}.unfinished"
    replaced = output.parent / f".{output.name}.replaced"
    if main_process:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
    wait()
    yield unfinished
    wait()
    if main_process:
        shutil.rmtree(replaced, ignore_errors=True)
        if output.exists():
            output.rename(replaced)
        unfinished.rename(output)
        shutil.rmtree(replaced, ignore_errors=True)
    wait()


def _list_weights(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError(
            f"{folder} is not a checkpoint",
            expected="*.safetensors weights",
            found="a folder without weights" if folder.is_dir() else "no such folder",
            remedy="train or download the model first",
        )
    return files


def _require_complete(weights: Path) -> None:
    """Refuse a weights file whose size does not match its header. Only the header is read."""
    try:
        with safe_open(weights, framework="numpy"):
            pass
    except SafetensorError as error:
        raise InputError(
            f"weights {weights} are damaged",
            expected="a complete safetensors file",
            found=f"{weights.stat().st_size} bytes: {error}",
            remedy="run the recipe again, which trains a damaged checkpoint again; if it is your"
            " own model, copy it again",
        ) from None


def _inline_template(folder: Path) -> str | None:
    """Read the chat template from tokenizer_config.json, where older folders store it."""
    config = folder / "tokenizer_config.json"
    if not config.is_file():
        return None
    template = json.loads(config.read_text(encoding="utf-8")).get("chat_template")
    return None if template is None else json.dumps(template, sort_keys=True)
