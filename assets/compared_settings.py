"""Comparison of recorded settings with those of the recipe: which changes make an asset stale.

Everything is recorded, so that a training can be reproduced and a record can be read. Not
everything is compared: a rerun must not repeat a training of hours for a setting that no row and no
weight depends on. Not here: what is recorded (`settings` of each asset), changed inputs
(`assets.staleness`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from transforms.settings.overrides import flatten

UNCOMPARED = frozenset(
    {
        "accelerate_config",  # of a training: its processes, the places of the same weights
        "gradient_checkpointing",  # of a training: memory
        "vllm_memory_utilization",  # of RLOO: memory
        "logging_steps",  # of a training: how often metrics are logged
        "logps_batch_tokens",  # of an evaluation: tokens per forward pass
        "selection_metric",  # of an evaluation: the asset `selected_policy` records it, too
        "folder",  # the name of a model's folder; the hashes of its files are compared
        "read_from",  # the place of a reward's model or function; its content is compared
    }
)
"""Keys of recorded settings, at any depth, that no row and no weight depends on."""


class Change(NamedTuple):
    """A setting that differs between a record and the recipe."""

    key: str
    """Its keys, joined by dots."""
    before: Any
    """Its recorded value; None if there is none."""
    after: Any
    """Its value in the recipe; None if there is none."""


def select_compared(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings without the keys of `UNCOMPARED`, for comparisons and for ids."""
    return {
        key: select_compared(value) if isinstance(value, Mapping) else value
        for key, value in settings.items()
        if key not in UNCOMPARED
    }


def list_changes(recorded: Mapping[str, Any], settings: Mapping[str, Any]) -> list[Change]:
    """List the changes of settings that make an asset stale, sorted by key.

    A record without an option is equal to one whose option is null, false or empty: a new version
    of the program, with an option that is off by default, makes no older study stale. A new option
    with another default is a change, because the record does not tell what the program did before.

    Args:
        recorded: settings of the last materialization, nested, as JSON has them.
        settings: settings of the recipe, as JSON has them.
    """
    changes = _compare(select_compared(recorded), select_compared(settings))
    return sorted(changes, key=lambda change: change.key)


def _compare(
    before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = ""
) -> Iterator[Change]:
    for key in before.keys() | after.keys():
        old, new, place = before.get(key), after.get(key), f"{prefix}{key}"
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _compare(old, new, f"{place}.")
        elif key in before and key in after:
            if old != new:
                yield Change(place, old, new)
        elif key in before and not _is_off(old):
            yield from (Change(part, value, None) for part, value in flatten(old, place))
        elif key in after and not _is_off(new):
            yield from (Change(part, None, value) for part, value in flatten(new, place))


def _is_off(value: Any) -> bool:
    """Return whether a value is null, false or empty; 0 is a number like any other."""
    return value is None or value is False or value == [] or value == {}
