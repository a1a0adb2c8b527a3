"""Overrides laid over settings. Imports no torch."""

from collections.abc import Mapping
from typing import Any


def merge(settings: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Lay an override over nested settings; mappings merge, everything else is replaced."""
    merged = dict(settings)
    for key, value in override.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if nested else value
    return merged
