"""Checks of an installation and of a lake's place: what is there, or what is wrong and what to do.

Not here: the checks themselves (`training.runs.software`, `training.models.loading.gpus`,
`transforms.lake`), the command (`assets.cli.commands.doctor`).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transforms.lake.lake import Lake


def _check_versions() -> str:
    from training.runs.software import check_versions

    return check_versions()


def _check_gpus() -> str:
    from training.models.loading.gpus import describe_gpus

    return describe_gpus()


def _check_store(lake: "Lake") -> str:
    return f"{lake.root}: {lake.store.test()}"


def _check_locks(lake: "Lake") -> str:
    from transforms.lake.locks import check_locks

    return check_locks(lake)


MACHINE: Mapping[str, Callable[[], str]] = {"versions": _check_versions, "GPUs": _check_gpus}
"""Checks of this machine. Each returns what it found, or raises an `InputError`."""

PLACE: Mapping[str, Callable[["Lake"], str]] = {"store": _check_store, "locks": _check_locks}
"""Checks of the place of a lake."""
