"""Reading a recipe from its file, its base recipes and overrides.

A file may name another one as its `base` and contains only the differences: mappings are merged,
other values are replaced, and null for a named thing (an experiment, a source, a benchmark) removes
it. The name is never inherited, because a study's lake is in the folder of its name.

Not here: the keys of a recipe and their checks (`training.recipe`). Imports no torch.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_origin

import yaml
from pydantic import ValidationError

from training.recipe import Recipe
from training.settings.model import PACKAGE
from transforms.errors import InputError
from transforms.settings.overrides import merge, parse_overrides
from transforms.settings.validation_errors import Location, convert_validation_error
from transforms.settings.yaml_text import find_lines, read_yaml
from transforms.text_encoding import decode_text
from transforms.unknown_names import list_near

NAMED = tuple(
    key for key, field in Recipe.model_fields.items() if get_origin(field.annotation) is dict
)
"""Keys of a recipe that contain things by name."""

HUB_OR_FOLDER = ("path", "tokenizer", "embedding_model")
"""Keys of models. A value that begins with ./ or ../ or ~/ is a folder; another may be a hub id."""


class Layer(NamedTuple):
    """Settings from one place."""

    origin: str
    """The file, or `--set`."""
    keys: Mapping[str, Any]
    """Nested settings; paths are absolute."""
    lines: Mapping[Location, int]
    """The line of each key in the file."""


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Read and validate a recipe.

    Args:
        path: a YAML file. Relative paths in it, `base` included, are relative to its folder.
        overrides: settings `key.key=value` that replace those of the file; values are YAML.

    Raises:
        InputError: no such file, not YAML, a recipe that is its own base, an unknown key, or a
            value out of range. The error lists all refused keys, with their files.
    """
    path = Path(path)
    layers = _read_layers(path)
    if len(layers) > 1 and "name" not in layers[-1].keys:
        raise InputError(
            f"recipe {path} is refused",
            expected="a name of its own; with the name of its base it would use the base's lake",
            found="no key `name`",
            remedy=f"write for example name: {path.stem}",
        )
    layers.append(Layer("--set", _resolve_paths(parse_overrides(overrides), path.parent), {}))
    keys: dict[str, Any] = {}
    for layer in layers:
        keys = _merge_layer(keys, layer.keys)
    try:
        return Recipe.model_validate(keys)
    except ValidationError as error:
        raise convert_validation_error(
            error,
            f"recipe {path} is refused",
            model=Recipe,
            place=lambda location: _find_origin(layers, location),
        ) from None


def _read_layers(path: Path, above: tuple[Path, ...] = ()) -> list[Layer]:
    """Read a file and its bases, the lowest base first."""
    if path.resolve() in [file.resolve() for file in above]:
        raise InputError(
            f"recipe {path} is a base of itself",
            expected="a chain of bases that ends",
            found=" -> ".join(map(str, (*above, path))),
            remedy=f"remove `base` from {above[-1]}",
        )
    keys, lines = _read_keys(path, above)
    base = keys.pop("base", None)
    if base is not None and not (isinstance(base, str) and base and base.isprintable()):
        raise InputError(
            f"recipe {path} is refused",
            expected="base: the name of a recipe's file",
            found=f"base = {base!r}",
            remedy="write for example base: quickstart.yaml",
        )
    layers = [] if base is None else _read_layers(path.parent / base, (*above, path))
    return [*layers, Layer(str(path), _resolve_paths(keys, path.parent), lines)]


def _read_keys(path: Path, above: tuple[Path, ...]) -> tuple[dict[str, Any], dict[Location, int]]:
    what = f"recipe {path}{f', the base of {above[-1]},' if above else ''}"
    try:
        text = decode_text(path.read_bytes())
        keys, lines = read_yaml(text), find_lines(text)
    except OSError as error:
        is_folder = isinstance(error, IsADirectoryError)
        folder = path if is_folder else path.parent
        listed = is_folder or isinstance(error, FileNotFoundError)
        recipes = sorted(map(str, folder.glob("*.yaml"))) if listed else []
        near = "" if is_folder else list_near([path.name], [Path(one).name for one in recipes])
        raise InputError(
            f"{what} cannot be read",
            expected="a YAML file",
            found=str(error.strerror),
            remedy=f"did you mean {near} in {folder}?"
            if near
            else f"use one of {', '.join(recipes)}"
            if recipes
            else "check the path",
        ) from None
    except UnicodeError as error:
        raise InputError(
            f"{what} cannot be read",
            expected="text in UTF-8",
            found=str(error),
            remedy="save the file as UTF-8",
        ) from None
    except yaml.YAMLError as error:
        raise InputError(
            f"{what} is not YAML",
            expected="YAML",
            found=str(error),
            remedy="correct the syntax in the named line",
        ) from None
    if not isinstance(keys, dict):
        raise InputError(
            f"{what} is not a recipe",
            expected="a mapping of settings",
            found=type(keys).__name__,
            remedy="start from recipes/quickstart.yaml",
        )
    return keys, lines


def _resolve_paths(keys: Any, folder: Path) -> Any:
    """Return a copy of nested settings in which relative paths are absolute."""
    if not isinstance(keys, Mapping):
        return keys
    resolved: dict[str, Any] = {}
    for key, value in keys.items():
        if key == "files" and isinstance(value, list):
            # a link keeps its name, which says what format the file has
            resolved[key] = [
                _join(folder, file) if isinstance(file, str) else file for file in value
            ]
        elif not isinstance(value, str):
            resolved[key] = _resolve_paths(value, folder)
        elif key == "accelerate_config" or (
            (key == "gguf" and not value.startswith(PACKAGE))
            or (key in HUB_OR_FOLDER and value.startswith(("./", "../", "~/")))
            or (key == "function" and ".py:" in value)
        ):
            resolved[key] = _join(folder.resolve(), value)
        else:
            resolved[key] = value
    return resolved


def _join(folder: Path, path: str) -> str:
    """Return the absolute path of a file that is relative to a folder, or to ~, the home."""
    return os.path.abspath(folder / Path(path).expanduser())  # noqa: PTH100


def _merge_layer(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a layer into the layers below it; null removes a named thing of a layer below."""
    keys = merge(below, above)
    for key in NAMED:
        lower, upper = below.get(key), above.get(key)
        if isinstance(lower, Mapping) and isinstance(upper, Mapping):
            removed = {name for name in lower if name in upper and upper[name] is None}
            keys[key] = {name: value for name, value in keys[key].items() if name not in removed}
    return keys


def _find_origin(layers: Sequence[Layer], location: Location) -> str:
    """Return the place of the longest part of a key, in the last layer that contains it."""

    def depth(layer: Layer) -> int:
        keys: Any = layer.keys
        for length, part in enumerate(location):
            if not isinstance(keys, Mapping) or part not in keys:
                return length
            keys = keys[part]
        return len(location)

    deepest = max(layers, key=depth)
    if location and location[0] not in Recipe.model_fields and not depth(deepest):
        return ""  # a key within an experiment, without the experiment's name
    last = [layer for layer in layers if depth(layer) == depth(deepest)][-1]
    found = last if depth(deepest) else layers[-2]
    line = found.lines.get(location[: depth(deepest)])
    # the error names the recipe; its bases and --set are other places
    origin = [found.origin] if len(layers) > 2 or not found.lines else []
    return ", ".join([*origin, *([] if line is None else [f"line {line}"])])
