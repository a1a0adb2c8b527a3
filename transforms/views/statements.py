"""The statements of `sql/`: their names and texts, and the tables and views that they read.

Not here: running them (`transforms.views.query`).
"""

import re
from collections.abc import Collection, Iterable
from functools import cache
from itertools import takewhile
from pathlib import Path

from transforms.errors import InputError

SQL = Path(__file__).resolve().parents[2] / "sql"
ANY_TABLE = re.compile(
    "show|desc|describe|pragma|query|query_table|(duckdb|pg|sqlite)_.*|information_schema"
)
"""Words of SQL with which a statement can read tables that it does not name."""


@cache
def list_names(folder: str) -> list[str]:
    """Return the names of the statements in a folder of `sql/`, sorted."""
    return sorted(path.stem for path in (SQL / folder).glob("*.sql"))


def list_reports() -> list[str]:
    """Return the names of the reports, sorted."""
    return list_names("reports")


def list_views() -> list[str]:
    """Return the names of the staging views, sorted."""
    return list_names("staging")


def list_checks() -> list[str]:
    """Return the names of the checks, sorted."""
    return list_names("checks")


def read_statement(folder: str, name: str) -> str:
    """Return a statement of `sql/`.

    Raises:
        InputError: the folder has no such statement.
    """
    if name not in list_names(folder):
        raise InputError(
            f"no {folder.removesuffix('s')} is called {name}",
            expected=f"one of {', '.join(list_names(folder))}",
            found=name,
            remedy=f"correct the name, or add sql/{folder}/{name}.sql",
        )
    return (SQL / folder / f"{name}.sql").read_text(encoding="utf-8")


def read_description(folder: str, name: str) -> str:
    """Return the head comment of a statement of `sql/`: its grain, or the meaning of its rows."""
    head = takewhile(lambda line: line.startswith("--"), read_statement(folder, name).splitlines())
    return " ".join(line.removeprefix("--").strip() for line in head)


def find_names(folder: str, names: Iterable[str]) -> set[str]:
    """Find the names of the tables and views that statements of a folder read, also through views.

    Names of a statement's own subqueries are among them.
    """
    return _follow_views(_find_read(read_statement(folder, name) for name in names))


def find_used_names(text: str, known: Collection[str]) -> set[str] | None:
    """Find the names of the tables, views and reports that a user's SQL may read; None: any.

    Each word of the text that is a known name counts. Any table may be read if a word lists the
    tables, or reads one whose name is an expression. All are also needed for the error about a name
    that is not known, which contains similar ones.

    Args:
        text: SQL.
        known: names of all tables, views and reports.
    """
    words = set(re.findall(r"\w+", text.lower()))
    if any(map(ANY_TABLE.fullmatch, words)) or _find_read([text.lower()]) - set(known):
        return None
    used = words & set(known)
    return _follow_views(used | find_names("reports", used & set(list_reports())))


def _find_read(statements: Iterable[str]) -> set[str]:
    """Find the names after `from` and `join` in statements."""
    lines = (line for statement in statements for line in statement.splitlines())
    code = "\n".join(line for line in lines if not line.startswith("--"))
    return set(re.findall(r'\b(?:from|join)\s+"?(\w+)', code))


def _follow_views(names: set[str]) -> set[str]:
    """Add the names that staging views among the names read."""
    found, due = set(names), set(names)
    while due:
        views = due & set(list_views())
        due = _find_read(read_statement("staging", view) for view in views) - found
        found |= due
    return found
