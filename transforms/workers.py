"""Work on a few items at a time, in threads, with results in the order of the items.

Lives here: how many threads and how far ahead. Not here: what is worked on. Threads serve because
polars, PyArrow and the hash run outside Python's lock.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

WORKERS = 2
"""Items that are worked on at a time; more of them cost memory and gain nothing on two cores."""

T, R = TypeVar("T"), TypeVar("R")


def map_in_order(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Apply a function in a few threads; results come in the order of the items, few at a time."""
    iterator = iter(items)
    with ThreadPoolExecutor(WORKERS) as pool:
        pending = [pool.submit(function, item) for item in islice(iterator, WORKERS)]
        while pending:
            result = pending.pop(0).result()
            pending += [pool.submit(function, item) for item in islice(iterator, 1)]
            yield result
