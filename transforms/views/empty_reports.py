"""Why a report has no rows: the empty tables that it reads, and what would fill it.

The head comment of every report ends with a sentence that begins with `ONCE`. Not here: the rows
(`transforms.views.query`).
"""

import duckdb

from transforms.lake.schemas import TABLES
from transforms.views import measured_pairs, query, statements

ONCE = "There are rows once "
"""Begin of the sentence in a report's head comment that gives the condition for rows."""


def explain_empty(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """Explain why a report without rows has none.

    Raises:
        InputError: there is no such report.
    """
    counts = {
        table: query.query(connection, f'select count(*) from "{table}"').item()
        for table in sorted(find_tables("reports", name))
    }
    empty = [table for table, rows in counts.items() if not rows]
    if empty:
        found = f"empty tables that it reads: {', '.join(empty)}"
    else:
        found = ", ".join(f"{table} has {rows:,} rows" for table, rows in counts.items())
        found += ", and the report selects none of them"
    return f"{name} has no rows: {found}. {read_condition(name)}"


def read_condition(name: str) -> str:
    """Return the sentence of a report's head comment that gives the condition for rows."""
    _, once, condition = statements.read_description("reports", name).partition(ONCE)
    return once + condition


def find_tables(folder: str, name: str) -> set[str]:
    """Find the lake's tables that a statement reads, also through views."""
    return statements.find_names(folder, [name]) & {*TABLES, measured_pairs.NAME}
