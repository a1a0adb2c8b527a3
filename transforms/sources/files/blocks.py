"""Files as blocks of whole lines, decompressed while they are read, a few megabytes at a time.

Not here: compression and encoding (`transforms.sources.files.opening`), the content of a line
(`transforms.sources.files.json_rows`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from transforms.sources.files.opening import READ_ERRORS, explain, open_text, read_error

BLOCK_BYTES = 4 << 20
"""Bytes that are read at a time; they bound the memory of an ingest."""


class Block(NamedTuple):
    """Whole lines of a file."""

    content: bytes
    offset: int
    """Bytes of the file before the block, decompressed and in UTF-8."""
    first_line: int
    """Number of the block's first line, from 1."""
    lines: int
    """Number of lines in the block."""
    cut: bool
    """Whether the last line has no line end: it is the last line of the file, whole or cut off."""


def read_blocks(path: Path, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    r"""Read a file in blocks that end at "\n"; other line separators are ordinary characters.

    A line longer than a block makes its block longer.

    Raises:
        InputError: the file cannot be decompressed or decoded; the error names file, offset and
            cause.
    """
    offset, first_line = 0, 1
    pending: list[bytes] = []
    with open_text(path) as file:
        while piece := _read(file, path, offset + sum(map(len, pending)), block_bytes):
            end = piece.rfind(b"\n") + 1
            if end == 0:
                pending.append(piece)
                continue
            content = b"".join([*pending, piece[:end]])
            block = Block(content, offset, first_line, _count_lines(content), cut=False)
            yield block
            offset += len(content)
            first_line += block.lines
            pending = [piece[end:]] if end < len(piece) else []
    if pending:
        yield Block(b"".join(pending), offset, first_line, lines=1, cut=True)


def _count_lines(content: bytes) -> int:
    # five times quicker than bytes.count
    return int(np.count_nonzero(np.frombuffer(content, np.uint8) == ord("\n")))


def read_whole(path: Path) -> bytes:
    """Read a file into memory, for formats that cannot be cut at lines.

    Raises:
        InputError: the file cannot be decompressed.
    """
    pieces: list[bytes] = []
    with open_text(path) as file:
        while piece := _read(file, path, sum(map(len, pieces)), BLOCK_BYTES):
            pieces.append(piece)
    return b"".join(pieces)


def _read(file: IO[bytes], path: Path, offset: int, size: int) -> bytes:
    try:
        return file.read(size)
    except READ_ERRORS as error:
        raise read_error(path, explain(error, path), offset) from None
