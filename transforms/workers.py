"""Apply a function to a few items at a time in threads; results keep the order of the items.

Threads help because polars, its hash plugin and PyArrow release Python's global interpreter lock.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

WORKERS = 2
"""Number of threads; more of them cost memory and save no time on two cores."""

T = TypeVar("T")
R = TypeVar("R")


def map_in_order(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Apply a function in a few threads; yield the results in the order of the items."""
    iterator = iter(items)
    with ThreadPoolExecutor(WORKERS) as pool:
        pending = [pool.submit(function, item) for item in islice(iterator, WORKERS)]
        while pending:
            result = pending.pop(0).result()
            pending += [pool.submit(function, item) for item in islice(iterator, 1)]
            yield result
