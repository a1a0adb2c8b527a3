"""The transaction log of a Delta table: its commits and their actions.

Source: Delta transaction log protocol, https://github.com/delta-io/delta/blob/master/PROTOCOL.md.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from transforms.lake.store.store import Store

COMMIT = re.compile(r".*/(\d{20})\.json")


def list_commits(store: Store, table: str) -> dict[int, str]:
    """Return the files of a table's commits by version, oldest first."""
    files = store.list_files(f"tables/{table}/_delta_log")
    commits = (COMMIT.fullmatch(file.path) for file in files)
    return {int(found[1]): found[0] for found in commits if found}


def read_commits(store: Store, files: Iterable[str]) -> Iterator[list[dict[str, Any]]]:
    """Read the actions of commits, in order."""
    return map(_parse_actions, store.read(list(files)))


def _parse_actions(commit: bytes) -> list[dict[str, Any]]:
    r"""Parse the actions of a commit, one JSON object per line.

    Lines end at "\n" only: the statistics contain texts of the table, in which U+2028 and other
    line separators are ordinary characters.
    """
    return [json.loads(line) for line in commit.split(b"\n") if line.strip()]
