"""SQL over the lake: DuckDB reads the Delta tables and nothing else.

Lives here: connecting, and running the statements of `sql/`. Not here: the statements. An error
in SQL is the macro `clustered_error`, an interval the function `bootstrap_interval`, which is
`transforms.measures.bootstrap` itself.

Every table of `transforms.lake.schemas` can be named; one that was never written is empty. Beside
them is `benchmark_columns`, the benchmarks' columns in reports (`transforms.public_sets.registry`);
each of these reports pivots on an enum `<report>_column`, since a view needs its columns at
creation.
`sql/macros` holds functions of SQL, `sql/staging` views, `sql/reports` statistics, `sql/checks`
queries whose rows are failures.
Two locks keep a query inside the lake: DuckDB's own (no external access, settings locked), and only
statements that read are run at all, so that no name of a table can come to mean something else.
DuckDB's `delta` extension would have to be downloaded; an Arrow dataset of the table gives the same
push-down of columns, filters and partitions without it.
"""

from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

import duckdb
import polars as pl

from transforms.errors import InputError
from transforms.lake.asset_names import REPORTED_BASELINES
from transforms.lake.history import read_table_history
from transforms.lake.lake import Lake
from transforms.lake.schemas import TABLES, is_raw, schema_of
from transforms.lake.schemas.columns import SHARED
from transforms.measures import bootstrap
from transforms.public_sets.registry import build_benchmark_columns, list_report_columns

SQL = Path(__file__).resolve().parents[2] / "sql"

READING = {
    duckdb.StatementType.SELECT,  # show, describe, summarize and unpivot are selects, too
    duckdb.StatementType.EXPLAIN,
    duckdb.StatementType.MULTI,  # pivot, which first collects the names of its columns
}
"""Statements that are run."""


def connect(
    lake: Lake, versions: Mapping[str, int | None] | None = None
) -> duckdb.DuckDBPyConnection:
    """Open the lake's tables for reading under their names, then lock the door.

    Nothing that is run on the connection can read or write a file, or lift that.

    Args:
        lake: the tables.
        versions: old versions to open, by table, None for a table without rows; the others are
            opened at their last.

    Raises:
        InputError: a table of `versions` does not exist.
    """
    versions = versions or {}
    connection = duckdb.connect()
    tables = sorted({*lake.tables(), *versions})
    for table in tables:
        rows = lake.scan(table, versions.get(table))
        connection.register(table, rows.clear() if versions.get(table, 0) is None else rows)
    return _staged(connection, tables)


def connect_with_reports(
    lake: Lake, versions: Mapping[str, int | None] | None = None
) -> duckdb.DuckDBPyConnection:
    """Open the lake as `connect` does, with every report and `table_history` as views beside."""
    connection = connect(lake, versions)
    connection.register("table_history", read_table_history(lake).to_arrow())
    for name in _names("reports"):
        connection.execute(f"create view {name} as {_statement('reports', name)}")
    return connection


def connect_frames(frames: dict[str, pl.DataFrame]) -> duckdb.DuckDBPyConnection:
    """Open in-memory frames under their names; the schemas' other tables are empty."""
    connection = duckdb.connect()
    for table, frame in frames.items():
        connection.register(table, frame.to_arrow())
    return _staged(connection, list(frames))


def query(connection: duckdb.DuckDBPyConnection, statement: str) -> pl.DataFrame:
    """Run one SQL statement that reads.

    Raises:
        InputError: DuckDB refuses it, it is not one statement, or it would do more than read.
    """
    try:
        parsed = connection.extract_statements(statement)
        if [one.type in READING for one in parsed] != [True]:
            kinds = [f"a statement of kind {one.type.name}" for one in parsed]
            raise _refused(", ".join(kinds) or "no statement")
        relation = connection.sql(parsed[0])
        spans = [
            name
            for name, kind in zip(relation.columns, relation.types, strict=True)
            if "INTERVAL" in str(kind)  # polars has no type for a difference of times
        ]
        if spans:
            texts = ", ".join(f'"{name}"::varchar as "{name}"' for name in spans)
            relation = relation.project(f"* replace ({texts})")
        return pl.from_arrow(relation.to_arrow_table())
    except (duckdb.Error, pl.exceptions.PolarsError) as error:
        raise _refused(str(error)) from None


def split_statements(connection: duckdb.DuckDBPyConnection, text: str) -> list[str]:
    """Divide a text of SQL at its semicolons.

    Raises:
        InputError: it is not SQL.
    """
    try:
        return [one.query for one in connection.extract_statements(text)]
    except duckdb.Error as error:
        raise _refused(str(error)) from None


def list_reports() -> list[str]:
    """Names of the reports."""
    return _names("reports")


def list_views() -> list[str]:
    """Names of the staging views."""
    return _names("staging")


def list_checks() -> list[str]:
    """Names of the checks."""
    return _names("checks")


def report(connection: duckdb.DuckDBPyConnection, name: str) -> pl.DataFrame:
    """Run `sql/reports/<name>.sql`.

    Raises:
        InputError: there is no such report.
    """
    return query(connection, _statement("reports", name))


def select_experiment(rows: pl.DataFrame, experiment: str) -> pl.DataFrame:
    """Keep a report's rows of an experiment, those that all share, and those of no experiment."""
    mine = pl.col("experiment").is_in([experiment, SHARED]) | pl.col("experiment").is_null()
    return rows.filter(mine)


def check(connection: duckdb.DuckDBPyConnection, name: str) -> pl.DataFrame:
    """Run `sql/checks/<name>.sql`; every row returned is a failure.

    Raises:
        InputError: there is no such check.
    """
    return query(connection, _statement("checks", name))


def select_slice(failures: pl.DataFrame, rows: Mapping[str, object]) -> pl.DataFrame:
    """Keep a check's rows of a slice; rows without the slice's column lie in every one."""
    for column, value in rows.items():
        if column in failures.columns:
            failures = failures.filter(pl.col(column) == value)
    return failures


def read_description(folder: str, name: str) -> str:
    """Read the comment at the head of a statement of `sql/`: its grain, or what its rows mean."""
    head = takewhile(lambda line: line.startswith("--"), _statement(folder, name).splitlines())
    return " ".join(line.removeprefix("--").strip() for line in head)


def _refused(found: str) -> InputError:
    return InputError(
        "a query cannot be run",
        expected="one DuckDB select over the lake's tables",
        found=found,
        remedy="`show tables` lists the tables, `describe <table>` a table's columns",
    )


def _staged(connection: duckdb.DuckDBPyConnection, tables: list[str]) -> duckdb.DuckDBPyConnection:
    """Add empty tables, functions and staging views; lock the connection."""
    for table in sorted(set(TABLES) - set(tables)):
        connection.register(table, pl.DataFrame(schema=schema_of(table)).to_arrow())
    connection.register("benchmark_columns", build_benchmark_columns().to_arrow())
    for name, statement in _column_types().items():
        connection.execute(f"create type {name} as enum ({statement})")
    connection.execute(f"create view raw_row_keys as {_raw_row_keys(tables)}")
    connection.create_function(
        "bootstrap_interval",
        bootstrap.estimate_intervals,
        ["DOUBLE[]"],
        "STRUCT(low DOUBLE, high DOUBLE)",
        type="arrow",
        null_handling="special",
    )
    connection.execute(
        "create macro baseline_position(model) as "
        f"list_position({list(REPORTED_BASELINES)}, replace(model, '/policy', ''))"
    )
    for name in _names("macros"):
        connection.execute(_statement("macros", name))
    for name in _names("staging"):
        connection.execute(f"create view {name} as {_statement('staging', name)}")
    connection.execute("set python_enable_replacements = false")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def _column_types() -> dict[str, str]:
    """Return the values of each report's enum: its benchmarks' columns, each with its error."""
    reports_with_columns = build_benchmark_columns()["report"].unique(maintain_order=True)
    return {
        f"{report}_column": ", ".join(
            f"'{column.name}', '{column.name}_se'" for column in list_report_columns(report)
        )
        for report in reports_with_columns
    }


def _raw_row_keys(tables: list[str]) -> str:
    """Select source and row_key of every raw table: there is one a source, and SQL needs names."""
    quoted = [
        (table.removeprefix("raw_").replace("'", "''"), table.replace('"', '""'))
        for table in tables
        if is_raw(table)
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
