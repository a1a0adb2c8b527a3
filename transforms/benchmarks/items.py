"""Items of the benchmarks that the harness measures: reading them, and checks of their keys.

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
    """Read a benchmark's items and its examples for few-shot prompts.

    Args:
        benchmark: name of the set.
        data: its parts, from `locate_parts`.
        limit: keep only the first items of each subset, this many.

    Returns:
        The items: subset, item (unique within the subset) and the columns of the harness's task, in
        the order of the files. The examples: the same columns without `item`; None if the data has
        no examples.

    Raises:
        InputError: a file cannot be read, or a row does not fit.
    """
    items, examples = HARNESSES[benchmark].items(read_parts(benchmark, data))
    if limit is not None:
        items = items.group_by("subset", maintain_order=True).head(limit)
    if (repeated := items.filter(pl.struct("subset", "item").is_duplicated())).height:
        raise InputError(
            f"benchmark {benchmark} has items with the same key",
            expected="a different key for each item",
            found=f"{repeated.height} items, the first {repeated['item'][0]}",
            remedy=f"list the published file once. {BENCHMARK_SETS[benchmark].facts}",
        )
    return items, examples
