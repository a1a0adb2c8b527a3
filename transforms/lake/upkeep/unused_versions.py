"""Versions of a table that nothing refers to any more, and the removal of their log entries.

A version is read from the last checkpoint of the log before it and the entries after that. So a
kept version whose entry before it is removed gets a checkpoint of its own. The numbers of versions
stay. Not here: the versions that records refer to, files of rows
(`transforms.lake.upkeep.maintenance`).
Source: Delta transaction log protocol, https://github.com/delta-io/delta/blob/master/PROTOCOL.md.
"""

import re
from collections.abc import Collection, Mapping
from datetime import datetime

from transforms.lake.lake import Lake
from transforms.lake.transaction_log import list_commits

ENTRY = re.compile(r".*/(\d{20})\.(json|crc|checkpoint\.parquet)")
"""Files of the log that belong to one version."""


def find_unused_versions(
    times: Mapping[int, datetime], referred: Collection[int], since: datetime
) -> list[int]:
    """Return the versions that nothing refers to and that were replaced before a time.

    Args:
        times: when each version that the log has was committed; the order of the versions counts,
            because the clocks of their writers may differ.
        referred: versions that are kept.
        since: a version that was the last one at this time or later is kept.
    """
    versions = sorted(times)
    current = 0
    for place, version in enumerate(versions):
        if times[version] > since:
            break
        current = place
    return [version for version in versions[:current] if version not in referred]


def remove_versions(lake: Lake, table: str, unused: Collection[int]) -> None:
    """Remove log entries; the other versions stay readable, also if this is cut short.

    Args:
        lake: the lake; no run may be active in it.
        table: its name.
        unused: versions in the log of the table, without the last one.
    """
    kept = sorted(set(list_commits(lake.store, table)) - set(unused))
    files = [file.path for file in lake.store.list_files(f"tables/{table}/_delta_log")]
    entries = [(int(found[1]), found) for found in map(ENTRY.fullmatch, files) if found]
    has_checkpoint = {version for version, found in entries if found[2] == "checkpoint.parquet"}
    for version in kept:
        is_first = version > 0 and version - 1 not in kept
        if is_first and version not in has_checkpoint:
            lake.delta(table, version).create_checkpoint()
    lake.delta(table).create_checkpoint()  # the one that `_last_checkpoint` names is the newest
    removed = set(unused) | (has_checkpoint - set(kept))
    lake.store.remove_files([found[0] for version, found in entries if version in removed])
