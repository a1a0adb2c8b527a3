"""The files of an origin: single files, and the data files of folders in a fixed order.

In a folder, files that are known to be no data (hidden files, documentation, metadata of a dataset)
are left out, and their names are returned. A file of any other ending that cannot be read is an
error, so that no part of a dataset is missing unnoticed. Not here: reading
(`transforms.sources.files.reading`).

Source of the files of `save_to_disk`: datasets 5.2, `Dataset.save_to_disk`.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from transforms.errors import InputError
from transforms.sources.files.opening import READABLE, find_format, read_error
from transforms.unknown_names import list_near

NO_DATA_ENDINGS = (
    *(".md", ".rst", ".txt", ".html", ".pdf", ".bib", ".cff", ".log", ".lock"),
    *(".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".crc", ".md5", ".sha256"),
    *(".py", ".ipynb", ".sh", ".yaml", ".yml", ".toml", ".cfg", ".ini"),
)
"""Endings of documentation, code and checksums."""

METADATA = ("dataset_infos.json", "dataset_info.json", "state.json")
"""Files that the library `datasets` writes beside its data."""

NO_DATA_NAMES = (*METADATA, "Makefile", "Dockerfile", "__MACOSX", "__pycache__")

SHOWN = 10
"""Names of files in a message."""


class Parts(NamedTuple):
    """The files to read, and the other files of their folders."""

    files: dict[str, Path]
    """By their names in row keys, in the order of reading; a Delta table is one part."""
    left_out: list[str]
    """Paths of files and folders that are no data, below the folder of the recipe's `files`."""


def list_parts(files: tuple[str, ...]) -> Parts:
    """List the files of an origin, and the data files of its folders.

    Raises:
        InputError: a path does not exist; or a folder has no file that can be read, a file whose
            ending cannot be read, or the splits of a saved dataset.
    """
    paths: list[Path] = []
    left_out: list[str] = []
    # a link keeps its own name: in the hub's cache the file behind it has no ending
    for path in (Path(os.path.abspath(file)) for file in files):  # noqa: PTH100
        if not path.is_dir():
            found = [path]
        else:
            unread: list[Path] = []
            others: list[Path] = []
            found = list(_walk(path, others, unread, ()))
            left_out += [other.relative_to(path).as_posix() for other in others]
            if unread:
                raise _refuse_unread(path, unread)
        if not found or not found[0].exists():
            raise InputError(
                f"source file {path} cannot be read",
                expected=f"a file or folder of files: {READABLE}",
                found="a folder without such files" if path.is_dir() else "no such file or folder",
                remedy=_suggest(path),
            )
        paths += found
    common = os.path.commonpath([path.parent for path in paths])
    return Parts({path.relative_to(common).as_posix(): path for path in paths}, left_out)


def _suggest(path: Path) -> str:
    """Return what to do about a path that cannot be read: the names like it beside it, if any."""
    beside = path.parent
    names = [one.name for one in beside.iterdir()] if beside.is_dir() and not path.exists() else []
    if near := list_near([path.name], names):
        return f"did you mean {near} in {beside}?"
    return "correct `files` in the recipe; a relative path is relative to the recipe"


def is_delta_table(path: Path) -> bool:
    """Check whether a path is the folder of a Delta table."""
    return (path / "_delta_log").is_dir()


def open_delta(path: Path) -> DeltaTable:
    """Open a Delta table at its last version.

    Raises:
        InputError: its log cannot be read.
    """
    try:
        return DeltaTable(path)
    except (DeltaError, OSError, ValueError) as error:
        raise read_error(path, f"a Delta table whose log cannot be read ({error})") from None


def _walk(
    folder: Path, left_out: list[Path], unread: list[Path], above: tuple[Path, ...]
) -> Iterator[Path]:
    """Yield the parts of a folder; collect what is no data, and files that cannot be read."""
    if is_delta_table(folder):
        yield folder
        return
    if (folder / "dataset_dict.json").is_file():
        raise _refuse_splits(folder)
    above = (*above, folder.resolve())
    saved = _list_saved_files(folder)
    yield from (folder / name for name in saved)
    for path in sorted(folder.iterdir()):
        if _is_no_data(path):
            left_out.append(path)
        elif path.is_dir() and path.resolve() in above:
            left_out.append(path)  # a link to a folder above it
        elif path.is_dir():
            yield from _walk(path, left_out, unread, above)
        elif saved:
            if path.name not in saved:
                left_out.append(path)  # caches of computed columns
        elif find_format(path):
            yield path
        else:
            unread.append(path)


def _is_no_data(path: Path) -> bool:
    name = path.name
    return (
        name.startswith(".")
        or name in NO_DATA_NAMES
        or (not path.is_dir() and path.suffix.lower() in NO_DATA_ENDINGS)
        or (not path.is_dir() and not path.suffix and name.isupper())  # LICENSE, _SUCCESS
    )


def _list_saved_files(folder: Path) -> list[str]:
    """Return the data files of a folder that `save_to_disk` wrote, in order; else none."""
    try:
        state = json.loads((folder / "state.json").read_bytes())
        return [Path(file["filename"]).name for file in state["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _refuse_splits(folder: Path) -> InputError:
    splits = sorted(path.name for path in folder.iterdir() if path.is_dir())
    example = folder / (splits or ["train"])[0]
    return InputError(
        f"source folder {folder} has the splits of a saved dataset",
        expected="the folder of one split, so that test rows are not trained on",
        found=", ".join(splits) or "no splits",
        remedy=f"write the folder of a split in `files`, such as {example}",
    )


def join_names(names: list[str]) -> str:
    """Join the first names, with the number of the others."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _refuse_unread(folder: Path, unread: list[Path]) -> InputError:
    names = [path.relative_to(folder).as_posix() for path in unread]
    return InputError(
        f"source folder {folder} has files that cannot be read",
        expected=READABLE,
        found=join_names(names),
        remedy="convert or decompress them, move them away, or write the single files to read in "
        "`files`",
    )
