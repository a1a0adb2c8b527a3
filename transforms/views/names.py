"""Names in the lake that a person may type: tables, views, reports, their columns, keywords.

Not here: their meaning (`transforms.lake.schemas`, `transforms.views.query.read_description`).
"""

from collections.abc import Iterable

import duckdb

from transforms.views.query import query

SPECIAL_KEYWORDS = ("by", "over", "exclude", "partition", "summarize", "explain", "filter")
"""Keywords of queries that DuckDB does not list as reserved."""


def list_tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """List the tables, views and reports of an open lake."""
    return query(connection, "select name from (show tables)")["name"].to_list()


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
