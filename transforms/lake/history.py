"""Commits of the lake's tables, and the versions of tables at a point in time.

Both are read from Delta's transaction logs: `DeltaTable.history()` counts the rows that a commit
added but not the rows that it removed.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas.records import COMPUTED
from transforms.lake.transaction_log import list_commits, read_commits


def read_table_history(lake: Lake, tables: Sequence[str] | None = None) -> pl.DataFrame:
    """Read the commits of tables (default: all): rows of `table_history`, by table and version."""
    names = lake.tables() if tables is None else tables
    rows = [row for table in names for row in _describe_commits(lake, table)]
    return pl.DataFrame(rows, schema=COMPUTED["table_history"].schema)


def find_versions(lake: Lake, points: Sequence[str]) -> dict[str, int | None]:
    """Return the versions of tables at a point in time.

    Args:
        lake: the tables.
        points: any number of `table@version`, and at most one ISO 8601 time for all other tables,
            in UTC if it has no offset.

    Returns:
        Version by table, of the tables that a point covers; None if it did not exist at that time.

    Raises:
        InputError: a point cannot be read, there are two times, a table or version does not exist,
            or the time is before the oldest commit in the log of a table.
    """
    named = [point for point in points if "@" in point]
    times = [point for point in points if "@" not in point]
    if len(times) > 1:
        raise InputError(
            "two times for one lake",
            expected="at most one time; any number of table@version",
            found=", ".join(times),
            remedy="drop all but one",
        )
    found = _find_versions_at(lake, _parse_time(times[0])) if times else {}
    return found | dict(_parse_version(lake, point) for point in named)


def _find_versions_at(lake: Lake, moment: datetime) -> dict[str, int | None]:
    history = read_table_history(lake)
    found: dict[str, int | None] = {}
    for (table,), commits in history.group_by("table", maintain_order=True):
        past = commits.filter(pl.col("timestamp") <= moment)
        oldest = commits.row(0, named=True)
        if past.is_empty() and oldest["version"] > 0:
            raise InputError(
                f"the history of {table} begins later",
                expected=f"{oldest['timestamp'].isoformat()} or later",
                found=moment.isoformat(),
                remedy="use a later time; older commits were removed from the log",
            )
        version = past.row(-1, named=True)["version"] if past.height else None
        if version is not None:
            _require_next(commits, version, moment)
        found[str(table)] = version
    return found


def _require_next(commits: pl.DataFrame, version: int, moment: datetime) -> None:
    """Refuse a time at which a version may have been the last one that the log no longer has.

    Args:
        commits: rows of `table_history` of one table.
        version: its last version before the time that the log has.
        moment: the time.
    """
    later = commits.filter(pl.col("version") > version)
    if later.height and (next_ := later.row(0, named=True))["version"] > version + 1:
        table = next_["table"]
        raise InputError(
            f"the version of {table} at that time is not in its log",
            expected=f"{next_['timestamp'].isoformat()} or later",
            found=f"{moment.isoformat()}; prefloop maintain removed versions {version + 1} to "
            f"{next_['version'] - 1}, which nothing refers to",
            remedy=f"use a later time, or give {table}@{version} or {table}@{next_['version']}",
        )


def _parse_time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            "a point in time cannot be read",
            expected="an ISO 8601 time such as 2026-11-21T10:30:00Z, or table@version",
            found=text,
            remedy="`select * from table_history` lists the times and versions there are",
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parse_version(lake: Lake, point: str) -> tuple[str, int]:
    table, _, version = point.rpartition("@")
    last, kept = lake.version(table), list_commits(lake.store, table)
    if not version.isdecimal() or int(version) > last or int(version) not in kept:
        raise InputError(
            f"table {table} has no such version",
            expected=f"one of the {len(kept)} versions {table}@{min(kept)} ... {table}@{last}",
            found=point,
            remedy="`select * from table_history` lists the versions",
        )
    return table, int(version)


def _describe_commits(lake: Lake, table: str) -> Iterator[dict[str, Any]]:
    """Describe the commits in the log of one table, oldest first."""
    rows_of: dict[str, int | None] = {}
    commits = list_commits(lake.store, table)
    for version, actions in zip(commits, read_commits(lake.store, commits.values()), strict=True):
        info = next(action["commitInfo"] for action in actions if "commitInfo" in action)
        added = [action["add"] for action in actions if "add" in action]
        removed = [action["remove"]["path"] for action in actions if "remove" in action]
        rows_of |= {add["path"]: json.loads(add["stats"])["numRecords"] for add in added}
        removed_rows = [rows_of.get(path) for path in removed]
        yield {
            "table": table,
            "version": version,
            "timestamp": info["timestamp"],
            "operation": info["operation"],
            "slice": info.get("prefloop.slice"),
            "rows_added": sum(rows_of[add["path"]] for add in added),
            "rows_removed": None if None in removed_rows else sum(removed_rows),
            "files_added": len(added),
            "files_removed": len(removed),
            "bytes_added": sum(add["size"] for add in added),
        }
