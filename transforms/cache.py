"""The folder of this machine's cache. It may be removed whenever no run is active."""

import os
from pathlib import Path

CACHE = "PREFLOOP_CACHE"
"""Environment variable: the cache's folder; by default ~/.cache/prefloop."""


def find_cache_folder() -> Path:
    """Return the folder of the cache; it is created."""
    folder = Path(os.environ.get(CACHE, "~/.cache/prefloop")).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder
