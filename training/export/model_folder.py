"""A model of the lake as a folder that transformers and vLLM load, with a card and its record.

The folder has weights (safetensors), config, tokenizer, chat template, the tokens at which
generation stops, `README.md` (the model card) and `prefloop.json` (how the model was made). An
adapter (LoRA) needs nothing: a checkpoint has it merged into its weights. Not here: what the record
contains (`transforms.views.lineage.model_record`), GGUF (`training.export.gguf_file`).
"""

import json
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

from training.export.model_card import write_card
from training.export.weights import copy_weights
from training.models.checkpoint import READ_FILES, build_folder, require_model
from training.models.end_of_turn import find_end_of_turn
from training.models.loading.config import ADDED_ROWS
from training.models.loading.weights import require_causal_weights, require_classifier_weights
from training.models.rendering import load_tokenizer
from transforms.errors import InputError

Dtype = Literal["float32", "bfloat16", "float16"]
"""Types of exported weights, as torch names them."""

RECORD = "prefloop.json"
"""File with the record of the model."""

GGUF = "model.gguf"
"""File with the whole model for llama.cpp."""

WORKING_FILES = {"settings.json", "run.json"}
"""Files of a checkpoint that only its training reads."""

TEMPLATES = "additional_chat_templates"
"""Folder of a model's further chat templates; other folders are copies and adapters."""

REWARD_MODEL = "reward_model"
"""Kind of a model with a scalar head."""


def export_model(
    model: Path, output: Path, record: Mapping[str, Any], *, dtype: Dtype | None, gguf: bool
) -> None:
    """Write a model of the lake as a folder; nothing is left behind after an error.

    Rows of the embeddings that belong to no token (`ADDED_ROWS`) are left out: another program
    would sample them. All other weights keep their bits, unless `dtype` changes their type.

    Args:
        model: folder of the checkpoint.
        output: folder to write; it must be missing or empty.
        record: the record of the model (`transforms.views.model_facts.describe_for_card`); written
            as `prefloop.json` and summarised in `README.md`.
        dtype: type of the weights; None keeps the checkpoint's.
        gguf: whether `model.gguf`, for llama.cpp, is written into the folder, too.

    Raises:
        InputError: the folder is not empty, the checkpoint is not one whole model, its template
            does not end a turn with a stop token, a weight does not fit into the type, or GGUF is
            not possible (`training.export.gguf_file.require_writable`).
    """
    require_empty(output)
    require_model(model)
    is_reward_model = record["kind"] == REWARD_MODEL
    find_end_of_turn(load_tokenizer(model), model)
    if gguf:
        require_package()
        from training.export.gguf_file import require_writable, write_gguf

        require_writable(model)
    with build_folder(output) as folder:
        for file in (file for pattern in READ_FILES for file in model.glob(pattern)):
            inside = file.parent.name == TEMPLATES or file.parent == model
            if inside and file.name not in WORKING_FILES:
                (folder / file.relative_to(model)).parent.mkdir(exist_ok=True)
                shutil.copy2(file, folder / file.relative_to(model))
        stored = _copy_config(model, folder, dtype)
        copy_weights(model, folder, dtype, _list_kept_rows(model))
        (require_classifier_weights if is_reward_model else require_causal_weights)(folder)
        if gguf:
            write_gguf(folder, folder / GGUF)
        described = {**record, "dtype": stored}
        _write_record(folder, described)
        write_card(folder, described, gguf=gguf)


def renew_card(folder: Path, record: Mapping[str, Any], dtype: Dtype | None) -> bool:
    """Write record and card of an exported model again; return whether the folder has the model.

    Args:
        folder: folder of an export, or another one, which stays as it is.
        record: the record of the model.
        dtype: type that the weights must have; None for any.
    """
    file = folder / RECORD
    if not file.is_file():
        return False
    exported = json.loads(file.read_text(encoding="utf-8"))
    is_same = exported["checkpoint_id"] == record["checkpoint_id"]
    if not is_same or dtype not in (None, exported["dtype"]):
        return False
    described = {**record, "dtype": exported["dtype"]}
    _write_record(folder, described)
    write_card(folder, described, gguf=(folder / GGUF).is_file())
    return True


def _write_record(folder: Path, record: Mapping[str, Any]) -> None:
    text = json.dumps(record, indent=2, default=str)
    (folder / RECORD).write_text(text + "\n", encoding="utf-8")


def require_empty(folder: Path) -> None:
    """Refuse a folder that contains something, and a file in its place.

    Raises:
        InputError: see above.
    """
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        raise InputError(
            f"{folder} cannot be written",
            expected="a new or an empty folder",
            found="a folder with files" if folder.is_dir() else "a file",
            remedy="choose another folder, or empty this one",
        )


def require_package() -> None:
    """Refuse GGUF without the package that writes it.

    Raises:
        InputError: see above.
    """
    if find_spec("gguf") is None:
        raise InputError(
            "GGUF cannot be written",
            expected="the package gguf",
            found="no such package",
            remedy="install the extra: pip install 'prefloop[gguf]'",
        )


def _copy_config(model: Path, folder: Path, dtype: str | None) -> str:
    """Write the config of the exported weights; return their type."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    config["vocab_size"] -= config.pop(ADDED_ROWS, 0)
    config["dtype"] = dtype or config["dtype"]
    text = json.dumps(config, indent=2, sort_keys=True)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")
    return str(config["dtype"])


def _list_kept_rows(model: Path) -> dict[str, int]:
    """List the weights that have rows without a token, with the number of rows to keep."""
    config = AutoConfig.from_pretrained(model)
    added = getattr(config, ADDED_ROWS, 0)
    if not added:
        return {}
    is_classifier = any("Classification" in name for name in config.architectures or ())
    kind: Any = AutoModelForSequenceClassification if is_classifier else AutoModelForCausalLM
    with torch.device("meta"):
        whole = kind.from_config(config)
    embeddings = [whole.get_input_embeddings(), whole.get_output_embeddings()]
    weights = [weight for layer in embeddings if layer is not None for weight in layer.parameters()]
    return {
        name: config.vocab_size - added
        for name, weight in whole.named_parameters(remove_duplicate=False)
        if any(weight is one for one in weights)
    }
