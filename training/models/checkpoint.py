"""Model folders (checkpoints): their identity, their completeness, their atomic replacement.

A checkpoint is a folder of safetensors weights, tokenizer and chat template. It is hashed here,
refused if it is incomplete, and built beside its final place, so that no half-written one is ever
found there. Imports no torch.
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
"""Bytes read at once when weights are hashed."""


def hash_checkpoint(folder: Path) -> str:
    """Hash weights, tokenizer and chat template to 32 hexadecimal digits, reading in blocks.

    Each file enters with its name and size, in the order of names, so that no two folders run
    together. Settings and metrics do not enter: equal models have equal ids.

    Raises:
        InputError: the folder holds no safetensors weights.
    """
    folder = Path(folder)
    files = [*_weights(folder), folder / "tokenizer.json", folder / "chat_template.jinja"]
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
    """Refuse a folder that lacks a file that the stages read.

    Args:
        folder: a local folder; a hub model is fetched into one first
            (`training.models.initial_model.fetch_initial_model`).
        chat_template: whether a chat template is needed.

    Raises:
        InputError: config, safetensors weights, tokenizer or chat template is missing, or a
            weights file is cut short.
    """
    path = Path(folder)
    if not path.is_dir():
        raise InputError(
            f"model {folder} cannot be read",
            expected="a folder with config.json, *.safetensors, a tokenizer and a chat template",
            found="a file" if path.is_file() else "nothing there",
            remedy="name the folder of a finished checkpoint; a hub model is fetched first",
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
            remedy="take an instruction-tuned model saved with save_pretrained",
        )
    for weights in sorted(path.glob("*.safetensors")):
        _require_whole(weights)


def save_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write resolved settings as `settings.json` beside the weights."""
    text = json.dumps(settings, indent=2, sort_keys=True, default=str)
    (Path(folder) / "settings.json").write_text(text + "\n", encoding="utf-8")


@contextmanager
def build_folder(
    output: Path, *, main_process: bool = True, wait: Callable[[], None] = lambda: None
) -> Iterator[Path]:
    """Yield a folder beside `output` that takes its place when the body ends without an error.

    An interrupted body leaves `output` as it was; the next one removes its unfinished folder.

    Args:
        output: the finished folder; replaced when it exists.
        main_process: whether this process makes and renames the folder; the others only write.
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


def _weights(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError(
            f"{folder} is not a checkpoint",
            expected="*.safetensors weights",
            found="a folder without" if folder.is_dir() else "nothing there",
            remedy="train or fetch the model first",
        )
    return files


def _require_whole(weights: Path) -> None:
    """Refuse a weights file whose length differs from its header's; only the header is read."""
    try:
        with safe_open(weights, framework="numpy"):
            pass
    except SafetensorError as error:
        raise InputError(
            f"weights {weights} are damaged",
            expected="a whole safetensors file",
            found=f"{weights.stat().st_size} bytes: {error}",
            remedy="run the recipe again: a damaged checkpoint is made again; a model of yours has"
            " to be copied again",
        ) from None


def _inline_template(folder: Path) -> str | None:
    """Read the chat template that older folders keep in tokenizer_config.json."""
    config = folder / "tokenizer_config.json"
    if not config.is_file():
        return None
    template = json.loads(config.read_text(encoding="utf-8")).get("chat_template")
    return None if template is None else json.dumps(template, sort_keys=True)
