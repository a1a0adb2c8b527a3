"""SQL over the lake: DuckDB reads the Delta tables and nothing else.

Lives here: connecting, and running the statements of `sql/`. Not here: the statements, and any
statistics that a polars function already makes.

Every table of `transforms.tables.schemas` can be named; one that was never written is empty. Beside
them stands `published_statistics`, the paper's own figures (`transforms.tables.published`).
`sql/staging` holds views, `sql/reports` statistics, `sql/checks` queries whose rows are failures.
DuckDB's `delta` extension would have to be downloaded; an Arrow dataset of the table gives the same
push-down of columns, filters and partitions without it.
"""

from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

import duckdb
import polars as pl

from transforms.errors import InputError
from transforms.tables.lake import Lake
from transforms.tables.published import published_statistics
from transforms.tables.schemas import SCHEMAS

SQL = Path(__file__).resolve().parents[2] / "sql"


def connect(lake: Lake, versions: dict[str, int] | None = None) -> duckdb.DuckDBPyConnection:
    """Open the lake's tables for reading under their names, then lock the door.

    Nothing that is run on the connection can read or write a file, or lift that.

    Args:
        lake: the tables.
        versions: old versions to open, by table; the others are opened at their last.

    Raises:
        InputError: a table of `versions` does not exist.
    """
    versions = versions or {}
    connection = duckdb.connect()
    tables = sorted({*lake.tables(), *versions})
    for table in tables:
        connection.register(table, lake.scan(table, versions.get(table)))
    return _staged(connection, tables)


def connect_frames(frames: dict[str, pl.DataFrame]) -> duckdb.DuckDBPyConnection:
    """Open in-memory frames under their names; the schemas' other tables are empty."""
    connection = duckdb.connect()
    for table, frame in frames.items():
        connection.register(table, frame.to_arrow())
    return _staged(connection, list(frames))


def query(connection: duckdb.DuckDBPyConnection, statement: str) -> pl.DataFrame:
    """Run one SQL statement.

    Raises:
        InputError: DuckDB refuses it.
    """
    try:
        result = connection.sql(statement)
    except duckdb.Error as error:
        raise InputError(
            "a query cannot be run",
            expected="one DuckDB select over the lake's tables",
            found=str(error),
            remedy="`show tables` lists the tables, `describe <table>` a table's columns",
        ) from None
    return pl.from_arrow(result.to_arrow_table()) if result is not None else pl.DataFrame()


def reports() -> list[str]:
    """Names of the reports."""
    return _names("reports")


def checks() -> list[str]:
    """Names of the checks."""
    return _names("checks")


def report(connection: duckdb.DuckDBPyConnection, name: str) -> pl.DataFrame:
    """Run `sql/reports/<name>.sql`.

    Raises:
        InputError: there is no such report.
    """
    return query(connection, _statement("reports", name))


def check(connection: duckdb.DuckDBPyConnection, name: str) -> pl.DataFrame:
    """Run `sql/checks/<name>.sql`; every row returned is a failure.

    Raises:
        InputError: there is no such check.
    """
    return query(connection, _statement("checks", name))


def within(failures: pl.DataFrame, rows: Mapping[str, str | int]) -> pl.DataFrame:
    """Keep a check's rows of a slice; rows without the slice's column lie in every one."""
    for column, value in rows.items():
        if column in failures.columns:
            failures = failures.filter(pl.col(column) == value)
    return failures


def describe(folder: str, name: str) -> str:
    """Read the comment at the head of a statement of `sql/`: its grain, or what its rows mean."""
    head = takewhile(lambda line: line.startswith("--"), _statement(folder, name).splitlines())
    return " ".join(line.removeprefix("--").strip() for line in head)


def _staged(connection: duckdb.DuckDBPyConnection, tables: list[str]) -> duckdb.DuckDBPyConnection:
    """Add empty tables, the paper's figures and the staging views, and lock the connection."""
    for table in sorted(set(SCHEMAS) - set(tables)):
        connection.register(table, pl.DataFrame(schema=SCHEMAS[table]).to_arrow())
    connection.register("published_statistics", published_statistics().to_arrow())
    connection.execute(f"create view raw_row_keys as {_raw_row_keys(tables)}")
    for name in _names("staging"):
        connection.execute(f"create view {name} as {_statement('staging', name)}")
    connection.execute("set python_enable_replacements = false")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def _raw_row_keys(tables: list[str]) -> str:
    """Select source and row_key of every raw table: there is one a source, and SQL needs names."""
    quoted = [
        (table.removeprefix("raw_").replace("'", "''"), table.replace('"', '""'))
        for table in tables
        if table.startswith("raw_")
    ]
    selects = [f"select '{source}' as source, row_key from \"{table}\"" for source, table in quoted]
    return " union all ".join(selects) or "select '' as source, '' as row_key where false"


def _names(folder: str) -> list[str]:
    return sorted(path.stem for path in (SQL / folder).glob("*.sql"))


def _statement(folder: str, name: str) -> str:
    if name not in _names(folder):
        raise InputError(
            f"no {folder.removesuffix('s')} is called {name}",
            expected=f"one of {', '.join(_names(folder))}",
            found=name,
            remedy=f"correct the name, or add sql/{folder}/{name}.sql",
        )
    return (SQL / folder / f"{name}.sql").read_text(encoding="utf-8")
