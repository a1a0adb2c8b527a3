"""Background commits: one thread writes finished chunks while the next ones are sampled."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import polars as pl

WAITING = 4
"""Most chunks that wait for their commit. Beyond that `put` blocks, so that memory is bounded."""


class BackgroundCommits:
    """Context manager that commits chunks in order, in one thread; its exit waits for all of them.

    An error in a commit is raised by the next `put` or by the exit; later chunks are not
    committed.
    """

    def __init__(self, commit: Callable[[pl.DataFrame], None]) -> None:
        """Store the function that writes a chunk; it runs in the thread."""
        self._commit = commit
        self._waiting: deque[Future[None]] = deque()
        self._failed = False

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="commits")
        return self

    def put(self, make_chunk: Callable[[], pl.DataFrame]) -> None:
        """Queue a chunk; the thread makes and commits it. Wait while the queue is full."""
        while self._waiting and (self._waiting[0].done() or len(self._waiting) >= WAITING):
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._run, make_chunk))

    def _run(self, make_chunk: Callable[[], pl.DataFrame]) -> None:
        if self._failed:
            return
        try:
            self._commit(make_chunk())
        except BaseException:
            self._failed = True
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for the commits; raise an error of a commit, unless the body raised one."""
        self._thread.shutdown(wait=True)
        if error is None:
            for commit in self._waiting:
                commit.result()
