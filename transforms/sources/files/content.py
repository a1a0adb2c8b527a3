"""The content of an origin: what identifies its rows, wherever its files are.

A file is identified by its name in row keys and the hash of its bytes, so a copy of the data on
another machine is the same data. Not here: reading rows (`transforms.sources.files.reading`).
"""

import hashlib
from pathlib import Path
from typing import Any

from transforms.errors import InputError
from transforms.file_hash import hash_file
from transforms.hub import find_commit
from transforms.settings.sources import OriginSettings
from transforms.sources.files.folders import is_delta_table, list_parts, open_delta


def fingerprint_origin(origin: OriginSettings) -> str:
    """Return an identifier of the content: hash of the files' names and bytes, or the hub commit.

    The content of a Delta table is its id and version.

    Raises:
        InputError: a file is missing, or a folder, a Delta table or the hub cannot be read.
    """
    if origin.hub_id:
        commit = find_commit(origin.hub_id, origin.revision or "main")
        return ":".join([f"{origin.hub_id}@{commit}", origin.hub_split or "", *origin.hub_dirs])
    parts = _identify_parts(origin.files)
    whole = "".join(f"{name}\x1f{content}\x1e" for name, content in parts.items())
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def describe_origin(origin: OriginSettings) -> dict[str, Any]:
    """Return the settings of an origin as they are recorded: with the content of its files.

    Of a dataset of the hub, the revision is recorded as it is: a branch that has moved changes
    nothing, because a plan asks no server.

    Returns:
        The settings; `files` has the content of each part and its place in the order of reading, by
        the part's name in row keys. It is None if a part is missing or cannot be listed, so that a
        study can be looked at where its data is not.
    """
    described = origin.model_dump(exclude={"files"})
    try:
        parts = _identify_parts(origin.files) if origin.files else {}
    except (InputError, OSError):
        return {**described, "files": None}
    files = {
        name: {"content": content, "place": place}
        for place, (name, content) in enumerate(parts.items())
    }
    return {**described, "files": files}


def _identify_parts(files: tuple[str, ...]) -> dict[str, str]:
    """Return the identity of each part by its name in row keys, in the order of reading."""
    return {name: _identify(path) for name, path in list_parts(files).files.items()}


def _identify(path: Path) -> str:
    if is_delta_table(path):
        table = open_delta(path)
        return f"{table.metadata().id}@{table.version()}"
    return hash_file(path)
