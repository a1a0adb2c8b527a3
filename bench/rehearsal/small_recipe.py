"""The recipe of the dress rehearsal: `recipes/llama3_8b.yaml` with local files and small numbers.

Contexts are a sixteenth of the recipe's, so that they have the same relations. Everything that is
not replaced here is as shipped.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bench.rehearsal.files import EVALUATION_SETS, SOURCES, write_files
from bench.rehearsal.texts import Texts
from transforms.settings.overrides import flatten, merge

SHIPPED = Path(__file__).resolve().parents[2] / "recipes" / "llama3_8b.yaml"
EXPERIMENTS = ("paper",)
"""Experiments that are run. The others change numbers and the reference, not what is run."""
ITERATIONS = 2
"""The second one starts from a policy that is not its reference, as the third would."""
SCALE = 16
"""The recipe's contexts divided by the rehearsal's."""
PROCESSES = 2
TRAINED_TEXTS = 400
"""Texts that the tokenizer is trained on."""


def write_study(folder: Path, rows: int) -> Path:
    """Write model, tokenizer, source files and recipe of the rehearsal; return the recipe's path.

    Args:
        folder: folder of the files; files of an earlier call are replaced by the same ones.
        rows: rows per source.
    """
    from bench.rehearsal.model import make_model  # loads TRL

    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    files = write_files(folder / "sources", rows)
    texts = Texts("tokenizer")
    make_model(
        folder / "base_model",
        folder / "tokenizer",
        [text for _ in range(TRAINED_TEXTS) for text in (texts.ask(), texts.answer())],
        shipped["sft"]["max_tokens"] // SCALE,
    )
    replaced = replace_settings(shipped, folder, files)
    path = folder / "rehearsal.yaml"
    path.write_text(
        yaml.safe_dump({"name": "rehearsal", "base": str(SHIPPED), **replaced}, sort_keys=False),
        encoding="utf-8",
    )
    return path


def replace_settings(
    shipped: Mapping[str, Any], folder: Path, files: Mapping[str, tuple[str, ...]]
) -> dict[str, Any]:
    """Return the settings of the rehearsal that replace those of the shipped recipe.

    Args:
        shipped: the keys of the shipped recipe.
        folder: folder of `base_model` and `tokenizer`.
        files: files of all sources and evaluation sets, by name.
    """

    def shorten(settings: Mapping[str, Any], *keys: str) -> dict[str, int]:
        return {key: settings[key] // SCALE for key in keys}

    def origins(names: Mapping[str, Any]) -> dict[str, Any]:
        return {name: {"revision": None, "files": [*files[name]]} for name in names}

    loop = shipped["loop"]
    return {
        "model": {
            "path": str(folder / "base_model"),
            "revision": None,
            "tokenizer": str(folder / "tokenizer"),
        },
        "sources": origins(SOURCES),
        "evaluation_sets": origins(EVALUATION_SETS),
        "splits": {
            "evaluation_fraction": 0.03,
            "validation_fraction": 0.03,
            "reward_validation_fraction": 0.03,
            "length_study_fraction": 0.03,
            "prompts_per_iteration": 24,
        },
        "devices": {"replicas": PROCESSES},
        "sft": {
            **shorten(shipped["sft"], "max_tokens"),
            "batch_size": 16,
            "processes": PROCESSES,
        },
        "reward_model": {
            **shorten(shipped["reward_model"], "max_tokens"),
            "batch_size": 64,
            "processes": PROCESSES,
        },
        "reward_models": dict.fromkeys(shipped["reward_models"]),
        "loop": {
            "iterations": ITERATIONS,
            "sampling": {
                **shorten(loop["sampling"], "max_tokens", "max_context_tokens"),
                "chunk_prompts": 8,
            },
            "dpo": {
                **shorten(loop["dpo"], "max_tokens"),
                "batch_size": 8,
                "processes": PROCESSES,
            },
        },
        "experiments": {
            **{name: None for name in shipped["experiments"] if name not in EXPERIMENTS},
        },
    }


def list_replaced(path: Path) -> list[str]:
    """List the replaced settings of a rehearsal's recipe, such as `sft.processes: 8 -> 2`.

    The origins of sources and evaluation sets are one line.
    """
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    own = yaml.safe_load(path.read_text(encoding="utf-8"))
    origins = [len(own.pop(key)) for key in ("sources", "evaluation_sets")]
    before, after = dict(flatten(shipped)), dict(flatten(merge(shipped, own)))
    lines = [
        f"{key}: {before[key]} -> {'left out' if value is None else value}"
        for key, value in after.items()
        if key != "base" and before.get(key) != value
    ]
    left_out = [name for name, override in own["experiments"].items() if override is None]
    return [
        f"{origins[0]} sources, {origins[1]} evaluation sets: the hub -> local files of its layout",
        *lines,
        f"experiments left out: {', '.join(left_out)}",
    ]
