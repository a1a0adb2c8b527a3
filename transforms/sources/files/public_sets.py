"""Public sets that are read whole: to measure on them, or to screen prompts against them.

Lives here: where such a set is, and that no row of it may be missing. Not here: the sets
(`transforms.prompts.evaluation_sets`, `transforms.benchmarks.reward_bench.sets`).
"""

from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar

import polars as pl

from transforms.errors import InputError
from transforms.settings.sources import OriginSettings
from transforms.sources.files.json_rows import Native
from transforms.sources.files.reading import read_batches


class PublicSet(Protocol):
    """What is known of a set."""

    native: Native
    hub_id: str | None
    hub_split: str


S = TypeVar("S", bound=PublicSet)


def locate(key: str, name: str, origin: OriginSettings, sets: Mapping[str, S]) -> OriginSettings:
    """Look a set up, and fill in its hub id and split.

    Args:
        key: of the recipe, for messages.
        name: of the set.
        origin: files, or the revision of a hub dataset.
        sets: the known ones.

    Raises:
        ValueError: no such set, or neither files nor a revision of a dataset.
    """
    known = sets.get(name)
    if known is None:
        raise ValueError(f"{key}.{name}: no such set (sets: {', '.join(sorted(sets))})")
    hub_id = origin.hub_id or known.hub_id
    if not origin.files and (origin.revision is None or hub_id is None):
        raise ValueError(f"{key}.{name}: name files, or a revision of its hub dataset")
    update = {
        "hub_id": None if origin.files else hub_id,
        "hub_split": origin.hub_split or known.hub_split,
    }
    return origin.model_copy(update=update)


def read_fitting(name: str, origin: OriginSettings, native: Native) -> Iterator[pl.DataFrame]:
    """Read a set's native columns and `row_key`, batch by batch.

    Raises:
        InputError: a file cannot be read, or a row does not fit.
    """
    for batch in read_batches(name, origin, native):
        if batch.malformed.height:
            raise InputError(
                f"set {name} has rows that do not fit",
                expected=", ".join(f"{column}: {dtype}" for column, dtype in native.items()),
                found="{}: {}".format(*batch.malformed.row(0)),
                remedy="mend or download the file again: a part of the set would be another set",
            )
        yield batch.rows
