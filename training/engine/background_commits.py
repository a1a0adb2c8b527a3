"""Commits beside the work: finished chunks are written by one thread while the next are made.

Lives here: the thread and its bound. Not here: what a chunk is, or where it is written.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import polars as pl

WAITING = 4
"""Most chunks that wait for their commit; then `put` blocks, so that memory stays flat."""


class BackgroundCommits:
    """Context manager: chunks put in are committed in order, in one thread; leaving waits for all.

    An error of a commit is raised by the next `put`, or on leaving; chunks behind it are not
    committed.
    """

    def __init__(self, commit: Callable[[pl.DataFrame], None]) -> None:
        """Name what writes a chunk; it runs in the thread."""
        self._commit = commit
        self._waiting: deque[Future[None]] = deque()
        self._failed = False

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="commits")
        return self

    def put(self, make_chunk: Callable[[], pl.DataFrame]) -> None:
        """Have a chunk made and committed by the thread; waits while too many are ahead of it."""
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
        """Wait for the commits; raise the error of one, unless another error is on its way."""
        self._thread.shutdown(wait=True)
        if error is None:
            for commit in self._waiting:
                commit.result()
