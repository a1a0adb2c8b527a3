"""A queue of frames between the thread that makes them and the thread that writes them.

Either side can stop the other. Without a queue the writer would pull the frames in the main thread,
and Ctrl-C and the end of a run would wait for the whole table.
"""

from collections.abc import Iterator
from enum import Enum
from queue import Empty, Queue

import polars as pl
import pyarrow as pa

ARROW_LAYOUT = pl.CompatLevel.newest()
"""The layout of text in polars itself, which the Delta writer accepts without a copy."""


class Signal(Enum):
    """Signals of the maker to the writer: no more frames, or a failure."""

    END = "end"
    FAIL = "fail"


class FrameQueue:
    """A few frames between two threads.

    The maker calls `put`, then `end` or `fail`; the writer iterates over `read_batches`.
    """

    def __init__(self, frames: int = 2) -> None:
        """Make a queue for at most `frames` frames."""
        self._queue: Queue[pl.DataFrame | Signal] = Queue(frames)
        self._abandoned = False

    def put(self, frame: pl.DataFrame) -> None:
        """Add a frame; waits while the queue is full.

        Raises:
            BrokenPipeError: the writer stopped.
        """
        if self._abandoned:
            raise BrokenPipeError("the writer stopped")
        self._queue.put(frame)

    def end(self) -> None:
        """Signal that all frames were added."""
        self._queue.put(Signal.END)

    def fail(self) -> None:
        """Signal that no more frames can be made: the writer stops with an error."""
        if not self._abandoned:
            self._queue.put(Signal.FAIL)

    def abandon(self, *_: object) -> None:
        """Signal that the writer stopped; a maker that waits goes on."""
        self._abandoned = True
        while True:
            try:
                self._queue.get_nowait()
            except Empty:
                return

    def read_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the frames as Arrow batches.

        Raises:
            BrokenPipeError: the maker failed.
        """
        while (item := self._queue.get()) is not Signal.END:
            if item is Signal.FAIL:
                raise BrokenPipeError("the frames could not be made")
            yield from item.to_arrow(compat_level=ARROW_LAYOUT).to_batches()
