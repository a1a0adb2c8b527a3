"""Hashes of files: a file that is copied, moved or touched is the same; an edited one is another.

A large file is read once: its hash is kept in the cache of this machine, under its path, size and
times of change. Not here: hashes of settings and texts (`transforms.identity`).
"""

import hashlib
import re
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from transforms.cache import find_cache_folder

CACHED_BYTES = 1 << 20
"""Files from this size on have a place in the cache; a smaller one is read in a millisecond."""

HASH = re.compile(r"[0-9a-f]{32}")
"""A hash as `hash_file` writes it."""


def hash_file(path: Path) -> str:
    """Hash a file's content with SHA-256 to 32 hexadecimal digits, as `transforms.identity` does.

    Raises:
        OSError: the file cannot be read.
    """
    stat = path.stat()
    if stat.st_size < CACHED_BYTES:
        return _read_hash(path)
    # the second time changes with the content even where a program sets the first one back
    state = f"{path.resolve()}\x1f{stat.st_size}\x1f{stat.st_mtime_ns}\x1f{stat.st_ctime_ns}"
    place = Path("file_hashes", hashlib.sha256(state.encode()).hexdigest())
    # an unreadable place counts as missing; so does a text that is no hash, such as an empty file
    with suppress(OSError, UnicodeDecodeError):
        kept = (find_cache_folder() / place).read_text(encoding="ascii")
        if HASH.fullmatch(kept):
            return kept
    content = _read_hash(path)
    with suppress(OSError):  # where no cache can be written, the file is read each time
        _keep(find_cache_folder() / place, content)
    return content


def _keep(place: Path, content: str) -> None:
    """Write a file of the cache; another process never sees half of it."""
    place.parent.mkdir(exist_ok=True)
    new = place.with_name(f".{place.name}.{uuid4().hex}")
    new.write_text(content, encoding="ascii")
    new.replace(place)


def _read_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
