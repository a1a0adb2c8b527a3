"""Models on this machine: folders of the models that an object store has.

Trainers, vLLM and transformers read folders. A model is fetched once per machine: the processes on
it share the folder `<cache>/<checkpoint id>`.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from filelock import FileLock

from transforms.cache import find_cache_folder


def keep_model(name: str, sizes: Mapping[str, int], fill: Callable[[str, Path], None]) -> Path:
    """Return a model's folder in the cache; fill it if files are missing or have other sizes.

    Args:
        name: checkpoint id.
        sizes: bytes of its files by name.
        fill: writes the file of a name to a path.

    Raises:
        OSError: a written file has another size.
    """
    cache = find_cache_folder()
    folder, new = cache / name, cache / f".{name}.new"
    with FileLock(cache / f".{name}.lock"):
        if _find_wrong(folder, sizes) is None:
            return folder
        shutil.rmtree(new, ignore_errors=True)
        for one in sizes:
            file = new / one
            file.parent.mkdir(parents=True, exist_ok=True)
            fill(one, file)
        if (wrong := _find_wrong(new, sizes)) is not None:
            raise OSError(f"{wrong} of model {name} was not fetched whole")
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    return folder


def _find_wrong(folder: Path, sizes: Mapping[str, int]) -> str | None:
    """Return the first file that is missing or has another size; None: there is none."""
    for name, size in sizes.items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != size:
            return name
    return None
