"""Opening of source files: format and compression by ending, text as UTF-8 bytes.

Not here: blocks of lines (`transforms.sources.files.blocks`), folders
(`transforms.sources.files.folders`).
"""

import codecs
import io
from pathlib import Path
from typing import IO, cast

import pyarrow as pa
from isal import igzip, igzip_lib  # the standard library's gzip is four times slower

from transforms.errors import InputError
from transforms.text_encoding import describe_undecodable, find_encoding

FORMATS = (".parquet", ".arrow", ".csv", ".tsv", ".json", ".jsonl", ".ndjson")
"""Endings of files that can be read, in capitals too."""

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
"""Endings of compressed text, after the ending of the format."""

READABLE = (
    "parquet, arrow, csv, tsv, a .json array of objects, or one JSON object per line (.jsonl, "
    ".ndjson); text may be compressed (.gz, .zst, .bz2)"
)

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
START_BYTES = 64


def find_format(path: Path) -> str | None:
    """Return the format of a file by its ending, such as `.jsonl`; None if it cannot be read."""
    name = path.name.lower()
    for ending in COMPRESSIONS:
        name = name.removesuffix(ending)
    return next((ending for ending in FORMATS if name.endswith(ending)), None)


def open_text(path: Path) -> IO[bytes]:
    """Open a text file, decompressed, as UTF-8 without a byte-order mark.

    Raises:
        InputError: the file cannot be opened, is a Git-LFS pointer, or has another encoding.
    """
    require_content(path)
    try:
        file = _decompress(path)
        start = file.read(START_BYTES)
        encoding, mark_bytes = find_encoding(start)
    except READ_ERRORS as error:
        raise read_error(path, explain(error, path), 0) from None
    return cast(IO[bytes], _Utf8(file, start[mark_bytes:], encoding))


def require_content(path: Path) -> None:
    """Refuse a file that cannot be opened, or that is a Git-LFS pointer instead of its content.

    Raises:
        InputError: see above.
    """
    try:
        with path.open("rb") as file:
            start = file.read(START_BYTES)
    except OSError as error:
        raise read_error(path, str(error.strerror)) from None
    if start.startswith(LFS_POINTER):
        raise InputError(
            f"source file {path} cannot be read",
            expected=READABLE,
            found="a Git-LFS pointer, which only names the content",
            remedy="run git lfs pull in the repository, or download the file itself",
        )


READ_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    UnicodeError,
    pa.ArrowException,
    cast(type[Exception], igzip_lib.IsalError),
)
"""Errors of decompression and decoding while a file is read."""


def explain(error: Exception, path: Path) -> str:
    """Return the cause of one of `READ_ERRORS` in words."""
    if isinstance(error, UnicodeDecodeError):
        return describe_undecodable(error)
    if isinstance(error, UnicodeError):
        return str(error)
    compression = COMPRESSIONS.get(path.suffix.lower())
    return f"{compression} data ends or breaks ({error})" if compression else str(error)


def read_error(path: Path, found: str, offset: int | None = None) -> InputError:
    """Return the error for a file that cannot be read, with the place and the cause."""
    where = "" if offset is None else f"at byte {offset}: "
    return InputError(
        f"source file {path} cannot be read",
        expected=READABLE,
        found=where + found,
        remedy="repair the file or download it again, then run again; "
        "the table keeps its last version",
    )


def _decompress(path: Path) -> IO[bytes]:
    compression = COMPRESSIONS.get(path.suffix.lower())
    if compression is None:
        return path.open("rb")
    if compression == "gzip":
        return igzip.open(path, "rb")
    # Python's readers of bz2 ignore a second stream that is damaged
    return pa.input_stream(str(path), compression=compression)


class _Utf8(io.RawIOBase):
    """The bytes of a file in UTF-8, whatever its encoding."""

    def __init__(self, file: IO[bytes], start: bytes, encoding: str) -> None:
        """Read on after `start`, the bytes that were read already, in `encoding`."""
        self._file = file
        self._decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)()
        self._ready = self._decoder.decode(start).encode() if self._decoder else start

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._decoder or size < 0:
            return super().read(size)
        piece, self._ready = self._ready[:size], self._ready[size:]
        return piece or self._file.read(size)  # without a copy

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready:
            piece = self._file.read(len(buffer))
            self._ready = (
                self._decoder.decode(piece, final=not piece).encode() if self._decoder else piece
            )
            if not piece:
                break
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()
