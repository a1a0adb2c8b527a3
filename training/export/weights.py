"""Copies of a model's weights in another type, file by file.

Not here: the other files of a folder (`training.export.model_folder`), GGUF
(`training.export.gguf_file`).
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from training.models.checkpoint import WEIGHTS
from transforms.errors import InputError

NO_ROWS: Mapping[str, int] = {}
"""All weights keep their rows."""


def copy_weights(
    model: Path, folder: Path, dtype: str | None, rows: Mapping[str, int] = NO_ROWS
) -> None:
    """Copy the weights of a model folder; one file is in memory at a time.

    Args:
        model: the model folder.
        folder: folder to write into; the files keep their names.
        dtype: type of the copied weights, as torch names it; None keeps every weight's type, and
            its bits. Weights that are not floating-point numbers never change.
        rows: number of first rows that are kept, by name of the weight; other weights are whole.

    Raises:
        InputError: a weight is too large for the type.
    """
    total = 0
    for file in sorted(model.glob(WEIGHTS)):
        with safe_open(file, framework="pt") as stored:
            weights = {
                name: _convert(name, stored.get_tensor(name), dtype, rows.get(name))
                for name in stored.keys()  # noqa: SIM118  (no mapping)
            }
        save_file(weights, folder / file.name, metadata={"format": "pt"})
        total += sum(weight.nbytes for weight in weights.values())
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        content = json.loads(index.read_text(encoding="utf-8"))
        content["metadata"]["total_size"] = total
        index.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _convert(name: str, weight: torch.Tensor, dtype: str | None, rows: int | None) -> torch.Tensor:
    """Convert a weight's first rows; refuse a finite number that the type cannot hold."""
    if rows is not None:
        weight = weight[:rows]
    if dtype is None or not weight.is_floating_point():
        return weight.contiguous()
    converted = weight.to(getattr(torch, dtype)).contiguous()
    if not converted.isfinite().all() and weight.isfinite().all():
        raise InputError(
            f"weight {name} is too large for {dtype}",
            expected=f"numbers up to {torch.finfo(converted.dtype).max:.3g}",
            found=f"{weight.abs().max().item():.3g}",
            remedy="choose bfloat16 or float32",
        )
    return converted
