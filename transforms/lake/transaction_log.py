"""The transaction log of a Delta table: its commits and their actions.

Source: Delta transaction log protocol, https://github.com/delta-io/delta/blob/master/PROTOCOL.md.
"""

import json
from pathlib import Path
from typing import Any


def list_commits(folder: Path) -> dict[int, Path]:
    """Return the files of a table's commits by version, oldest first."""
    files = sorted((folder / "_delta_log").glob("[0-9]*[0-9].json"))
    return {int(file.stem): file for file in files}


def read_actions(commit: Path) -> list[dict[str, Any]]:
    r"""Read the actions of a commit, one JSON object per line.

    Lines end at "\n" only: the statistics contain texts of the table, in which U+2028 and other
    line separators are ordinary characters.
    """
    lines = commit.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines if line.strip()]
