"""Nested settings as plain mappings: merging overrides, parsing them, flattening."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from transforms.errors import InputError
from transforms.settings.yaml_text import read_yaml


def merge(settings: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Apply an override to nested settings; mappings are merged, other values are replaced."""
    merged = dict(settings)
    for key, value in override.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if nested else value
    return merged


def parse_overrides(words: Iterable[str]) -> dict[str, Any]:
    """Parse words `key.key=value` into one nested override; a later word takes precedence.

    Raises:
        InputError: a word does not have this form, or its value is not YAML.
    """
    merged: dict[str, Any] = {}
    for word in words:
        merged = merge(merged, _parse(word))
    return merged


def flatten(settings: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Flatten nested mappings to dotted keys and their values, in order."""
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            yield from flatten(value, f"{prefix}.{key}" if prefix else key)
    else:
        yield prefix, settings


def _parse(word: str) -> dict[str, Any]:
    key, equals, value = word.partition("=")
    if not equals or not all(key.split(".")):
        raise InputError(
            "a setting cannot be read",
            expected="key.key=value",
            found=word,
            remedy="for example --set loop.dpo.beta=0.05",
        )
    try:
        nested: Any = read_yaml(value)
    except yaml.YAMLError as error:
        raise InputError(
            f"the value of {key} cannot be read",
            expected="YAML, such as 0.05, true, [a, b] or {n: 4}",
            found=str(error),
            remedy="put the setting in quotes on the command line, and correct its value",
        ) from None
    for part in reversed(key.split(".")):
        nested = {part: nested}
    return nested
