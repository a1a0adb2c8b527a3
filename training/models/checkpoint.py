"""Model folders (checkpoints): hashes, checks of their files, atomic replacement.

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
from transforms.file_hash import hash_file

BLOCK_BYTES = 1 << 22
"""Bytes per read when weights are hashed."""

WEIGHTS = "*.safetensors"
"""Files of weights in a model folder."""

ADAPTER = "adapter"
"""Folder in a model folder with the adapter that was merged into the weights. It has about a
hundredth of their bytes, and engines such as vLLM serve many adapters beside one base model."""

READ_FILES = ("*.json", "*.jinja", "*.model", "*.txt", "*/*.jinja")
"""Other files of a model folder that a stage reads: settings, tokenizer, chat templates."""


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


def identify_model(model: str | None) -> str | dict[str, Any] | None:
    """Return what identifies a model in recorded settings.

    A copy in another place is the same model, and an edited file makes another.

    Returns:
        For a folder, its name as `folder`, and in `files` the hash of each file that is read, by
        name. A hub id, and None, as they are.
    """
    folder = Path(model).expanduser() if model else None
    if folder is None or not folder.is_dir():
        return model
    return {"folder": folder.name, "files": hash_model_files(folder)}


def hash_model_files(folder: Path) -> dict[str, str]:
    """Hash each file of a model folder that a stage reads; return the hashes by name."""
    files = {file for pattern in (WEIGHTS, *READ_FILES) for file in folder.glob(pattern)}
    return {file.relative_to(folder).as_posix(): hash_file(file) for file in sorted(files)}


def require_model(folder: Path | str, *, chat_template: bool = True) -> None:
    """Refuse a folder that is not one whole model: its files are checked, no weights are read.

    Args:
        folder: a local folder. A hub model must be downloaded first
            (`training.models.initial_model.fetch_initial_model`).
        chat_template: whether a chat template is required.

    Raises:
        InputError: config, safetensors weights, tokenizer or chat template is missing, a weights
            file is missing or incomplete, or the folder is a LoRA adapter.
    """
    path = Path(folder)
    if not path.is_dir():
        raise InputError(
            f"model {folder} cannot be read",
            expected="a folder with config.json, *.safetensors, a tokenizer and a chat template",
            found="a file" if path.is_file() else "no such folder",
            remedy="give the folder of a finished checkpoint; download a hub model first",
        )
    if (path / "adapter_config.json").is_file():
        raise InputError(
            f"model {folder} is an adapter (LoRA), not a whole model",
            expected="the weights of a whole model",
            found=f"adapter_config.json, for the model {_read_base(path)}",
            remedy="merge the adapter into its model (peft: merge_and_unload), and save the result",
        )
    tokenizer = ("tokenizer.json", "tokenizer.model", "vocab.json")
    missing = []
    if not (path / "config.json").is_file():
        missing.append("config.json")
    if not sorted(path.glob(WEIGHTS)):
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
    _require_shards(path)
    for weights in sorted(path.glob(WEIGHTS)):
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
        _share_weights(unfinished)
        shutil.rmtree(replaced, ignore_errors=True)
        if output.exists():
            output.rename(replaced)
        unfinished.rename(output)
        shutil.rmtree(replaced, ignore_errors=True)
    wait()


def _share_weights(folder: Path) -> None:
    """Let other users read the weights as the other files: safetensors writes them for one user."""
    probe = folder / ".mode"
    probe.touch()
    mode = probe.stat().st_mode
    probe.unlink()
    for file in folder.rglob(WEIGHTS):
        file.chmod(mode)


def _list_weights(folder: Path) -> list[Path]:
    files = sorted(folder.glob(WEIGHTS))
    if not files:
        raise InputError(
            f"{folder} is not a checkpoint",
            expected="*.safetensors weights",
            found="a folder without weights" if folder.is_dir() else "no such folder",
            remedy="train or download the model first",
        )
    return files


def _read_base(folder: Path) -> str:
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    return str(config.get("base_model_name_or_path"))


def _require_shards(folder: Path) -> None:
    """Refuse a folder in which a file of a divided model is missing."""
    index = folder / "model.safetensors.index.json"
    found = {file.name for file in folder.glob(WEIGHTS)}
    if index.is_file():
        expected = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    else:
        expected = {"model.safetensors"}
    if missing := sorted(expected - found):
        raise InputError(
            f"weights of model {folder} are missing",
            expected=f"{len(expected)} files, named by {index.name}"
            if index.is_file()
            else f"model.safetensors, or {index.name} and the files that it names",
            found=f"no {missing[0]}; missing files: {len(missing)}",
            remedy="copy or download the missing files",
        )


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
