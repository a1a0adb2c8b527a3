"""Memory of a process and its children, sampled while a benchmark runs. Not a benchmark itself."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psutil


@contextmanager
def sample_memory(
    pid: int, measure: Callable[[psutil.Process], Sequence[int]], *, every_s: float
) -> Iterator[list[tuple[int, ...]]]:
    """Sample the memory of a process and its children while the body runs.

    Args:
        pid: the process.
        measure: returns figures of one process, such as its resident bytes; a process that ends
            meanwhile is left out.
        every_s: seconds between two samples.

    Yields:
        The samples so far, at least one: each figure summed over the processes.
    """
    root, done = psutil.Process(pid), threading.Event()

    def sample() -> tuple[int, ...]:
        found = []
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                found.append(measure(process))
        return tuple(map(sum, zip(*found, strict=True)))

    def follow() -> None:
        while not done.wait(every_s):
            with suppress(psutil.NoSuchProcess):  # the root has ended
                if totals := sample():
                    samples.append(totals)

    samples = [sample()]
    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()
