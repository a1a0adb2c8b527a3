"""Names in the lake that a person may type: tables, views, reports, their columns, keywords.

Not here: their meaning (`transforms.lake.schemas`, `transforms.views.statements.read_description`).
"""

from collections.abc import Iterable

import duckdb
import polars as pl

from transforms.lake.schemas import declaration_of
from transforms.views.query import query
from transforms.views.statements import list_reports, list_views, read_description

SPECIAL_KEYWORDS = ("by", "over", "exclude", "partition", "summarize", "explain", "filter")
"""Keywords of queries that DuckDB does not list as reserved."""


def list_tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """List the tables, views and reports of an open lake."""
    return query(connection, "select name from (show tables)")["name"].to_list()


def list_relations(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """List tables, views and reports: name, kind, rows (null for views and reports), grain."""
    views = dict.fromkeys(list_views(), ("view", "staging"))
    views |= dict.fromkeys(list_reports(), ("report", "reports"))
    columns = list_columns(connection)
    tables = [name for name in list_tables(connection) if name not in views]
    rows: list[tuple[str, str, int | None, str]] = []
    for name, count in count_rows(connection, tables).items():
        declared = declaration_of(name, dict.fromkeys(columns[name], pl.Null()))
        rows.append((name, "table", count, declared.grain if declared else ""))
    for name, (kind, folder) in views.items():
        rows.append((name, kind, None, read_description(folder, name)))
    schema = {"name": pl.String, "kind": pl.String, "rows": pl.Int64, "grain": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("kind", "name")


def list_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """List the columns of every table, view and report, sorted; those of DuckDB are left out."""
    found = query(
        connection,
        "select table_name, list(column_name order by column_name) as names from duckdb_columns()"
        " where not internal group by table_name",
    )
    return dict(found.iter_rows())


def list_keywords(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """List the keywords of queries."""
    reserved = query(
        connection,
        "select keyword_name from duckdb_keywords()"
        " where keyword_category in ('reserved', 'type_function')",
    )
    return sorted({*reserved["keyword_name"], *SPECIAL_KEYWORDS})


def count_rows(connection: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> dict[str, int]:
    """Count the rows of tables."""
    quoted = {table: table.replace('"', '""') for table in tables}
    return {
        table: query(connection, f'select count(*) from "{name}"').item()
        for table, name in quoted.items()
    }
