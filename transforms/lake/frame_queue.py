"""Frames handed from the thread that makes them to the thread that writes them.

Lives here: the queue between the two and how either side stops the other. Not here: writing
(`transforms.lake.lake`). A reader that the writer pulls frames from would need no queue, but the
writer would hold the main thread: Ctrl-C and the end of a run would wait for the whole table.
"""

from collections.abc import Iterator
from queue import Empty, Queue

import polars as pl
import pyarrow as pa

ARROW_LAYOUT = pl.CompatLevel.newest()
"""Arrow layout of text that polars has itself: handed to the Delta writer without a copy."""


class Handover:
    """A few frames that wait: the maker calls `put`, then `end` or `fail`; the writer `batches`."""

    END, FAIL = object(), object()

    def __init__(self, frames: int = 2) -> None:
        """Name how many frames may wait."""
        self._queue: Queue[object] = Queue(frames)
        self._abandoned = False

    def put(self, frame: pl.DataFrame) -> None:
        """Hand a frame over; waits while the queue is full.

        Raises:
            BrokenPipeError: the writer stopped.
        """
        if self._abandoned:
            raise BrokenPipeError("the writer stopped")
        self._queue.put(frame)

    def end(self) -> None:
        """Say that all frames have been handed over."""
        self._queue.put(self.END)

    def fail(self) -> None:
        """Say that no more frames can be made: the writer gives up."""
        if not self._abandoned:
            self._queue.put(self.FAIL)

    def abandon(self, *_: object) -> None:
        """Say that nothing more will be taken; frees a maker that waits."""
        self._abandoned = True
        while True:
            try:
                self._queue.get_nowait()
            except Empty:
                return

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield what is handed over, as Arrow batches.

        Raises:
            BrokenPipeError: the maker failed.
        """
        while (item := self._queue.get()) is not self.END:
            if item is self.FAIL:
                raise BrokenPipeError("the frames could not be made")
            yield from item.to_arrow(compat_level=ARROW_LAYOUT).to_batches()
