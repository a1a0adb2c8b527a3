"""Items of a benchmark that the harness measures: read, each with its own key, the first n kept.

Not here: reading a part (`transforms.sources.files.set_files`), a set's columns
(`transforms.public_sets`), prompts (`training.benchmarks.harness`).
"""

from collections.abc import Mapping

import polars as pl

from transforms.errors import InputError
from transforms.public_sets.registry import BENCHMARK_SETS, HARNESSES
from transforms.settings.sources import OriginSettings
from transforms.sources.files.set_files import read_parts


def read_items(
    benchmark: str, data: Mapping[str, OriginSettings], limit: int | None = None
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Read a benchmark's items, and the rows that examples are taken from.

    Args:
        benchmark: name of the set.
        data: its parts, located.
        limit: keep only this many items of each subset, from the first.

    Returns:
        Items: subset, item (unique within the subset) and the columns of the harness's task, in the
        order of the files; and the examples, with the same columns but `item`; None where the data
        has none.

    Raises:
        InputError: a file cannot be read, or a row does not fit.
    """
    items, examples = HARNESSES[benchmark].items(read_parts(benchmark, data))
    if limit is not None:
        items = items.group_by("subset", maintain_order=True).head(limit)
    if (twice := items.filter(pl.struct("subset", "item").is_duplicated())).height:
        raise InputError(
            f"benchmark {benchmark} has items with the same key",
            expected="a different key for each item",
            found=f"{twice.height} items, the first {twice['item'][0]}",
            remedy=f"name the published file, once. {BENCHMARK_SETS[benchmark].facts}",
        )
    return items, examples
