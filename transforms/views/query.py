"""SQL over the lake: DuckDB reads the Delta tables, and nothing else.

`sql/macros` contains SQL functions, `sql/staging` views, `sql/reports` statistics, and `sql/checks`
queries that return failures. In SQL, a standard error is the macro `clustered_error`; an interval
is the function `bootstrap_interval`, which calls `transforms.measures.bootstrap`.

A query can use every table of `transforms.lake.schemas`; a table that was never written is empty.
The table `benchmark_columns` lists the columns of benchmarks in reports
(`transforms.public_sets.registry`). Each of these reports pivots on an enum `<report>_column`,
because the columns of a view are fixed at its creation.

Three measures keep a query inside the lake. DuckDB allows no external access, with its settings
locked. Only statements that read are run; a statement below EXPLAIN must read, too, because EXPLAIN
ANALYZE runs it. And every query is rolled back, so that none can redefine the name of a table.
DuckDB's `delta` extension would have to be downloaded; a polars scan of the table pushes down
columns, filters and partitions without it.

DuckDB has one thread. With more, the partial sums of the threads are added in the order in which
they end, and two reads of one lake differ in their last digits. Reports are as fast: DuckDB gets
the rows in one stream.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import cast

import duckdb
import polars as pl
from duckdb.func import ARROW, SPECIAL

from transforms.errors import InputError
from transforms.lake.asset_names import INITIAL_POLICIES, REPORTED_BASELINES
from transforms.lake.history import read_table_history
from transforms.lake.lake import Lake
from transforms.lake.schemas import TABLES, is_raw, schema_of
from transforms.lake.schemas.records import COMPUTED
from transforms.lake.schemas.table import SHARED
from transforms.measures import bootstrap
from transforms.public_sets.registry import build_benchmark_columns, list_report_columns
from transforms.views import measured_pairs
from transforms.views.computed_tables import scan_computed
from transforms.views.statements import (
    find_names,
    find_used_names,
    list_names,
    list_reports,
    list_views,
    read_statement,
)

PAIRS = "preference_pairs"
RAW_ROW_KEYS, BENCHMARK_COLUMNS = "raw_row_keys", "benchmark_columns"
READING = {
    duckdb.StatementType.SELECT,  # also show, describe, summarize and unpivot
    duckdb.StatementType.MULTI,  # pivot, which first reads the names of its columns
}
"""Kinds of statements that are allowed; for EXPLAIN, the kind of the statement below it."""


def connect(
    lake: Lake,
    versions: Mapping[str, int | None] | None = None,
    names: Collection[str] | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open the tables of the lake for reading, and lock the connection.

    No statement on the connection can read or write a file, or change these settings.

    Args:
        lake: the tables.
        versions: old versions by table; None: the table has no rows. Other tables are opened at
            their last version.
        names: names of the tables and views to open, which takes milliseconds for each; no others
            exist then. None: all.

    Raises:
        InputError: a table of `versions` does not exist.
    """
    versions = versions or {}
    connection = duckdb.connect()
    stored = {*lake.tables(), *versions}
    tables = sorted(
        table
        for table in stored
        if names is None or table in names or (is_raw(table) and RAW_ROW_KEYS in names)
    )
    for table in tables:
        rows = lake.scan(table, versions.get(table))
        connection.register(table, rows.clear() if versions.get(table, 0) is None else rows)

    def read_pairs() -> Iterable[pl.DataFrame]:
        if PAIRS not in stored or versions.get(PAIRS, 0) is None:
            return ()
        return lake.read_frames(PAIRS, versions.get(PAIRS))

    return _prepare(connection, tables, read_pairs, names)


def connect_with_reports(
    lake: Lake, versions: Mapping[str, int | None] | None = None, text: str | None = None
) -> duckdb.DuckDBPyConnection:
    """Open the lake (`connect`), with `table_history` and a view for every report.

    Args:
        lake: the tables.
        versions: as in `connect`.
        text: the SQL that will be run; only what it may read is opened. None: everything.
    """
    known = {*lake.tables(), *TABLES, *COMPUTED, *list_views(), *list_reports()}
    known |= {RAW_ROW_KEYS, BENCHMARK_COLUMNS}
    names = None if text is None else find_used_names(text, known)
    connection = connect(lake, versions, names)
    history = pl.Schema(COMPUTED["table_history"].schema)
    connection.register("table_history", scan_computed(lambda: [read_table_history(lake)], history))
    for name in list_reports():
        if names is None or name in names:
            connection.execute(f"create view {name} as {read_statement('reports', name)}")
    return connection


def connect_frames(frames: dict[str, pl.DataFrame]) -> duckdb.DuckDBPyConnection:
    """Open frames in memory as tables; all other tables of the schemas are empty."""
    connection = duckdb.connect()
    for table, frame in frames.items():
        connection.register(table, frame.to_arrow())
    pairs = [frames[PAIRS]] if PAIRS in frames else []
    return _prepare(connection, list(frames), lambda: pairs)


def query(
    connection: duckdb.DuckDBPyConnection,
    statement: str,
    rows: Mapping[str, object] = MappingProxyType({}),
) -> pl.DataFrame:
    """Run one SQL statement that reads.

    Args:
        connection: an open lake.
        statement: the statement.
        rows: values of columns of the result, which select its rows; columns that it does not have
            select nothing. DuckDB applies them where the tables are read, if that is equivalent.

    Raises:
        InputError: DuckDB refuses it, it is not one statement, or it does not only read.
    """
    try:
        parsed = connection.extract_statements(statement)
        kinds = [_find_kind(connection, one) for one in parsed]
        if [kind in READING for kind in kinds] != [True]:
            found = [f"a statement of kind {kind.name}" for kind in kinds]
            raise _make_refusal(", ".join(found) or "no statement")
        connection.begin()
        try:
            return _read_rows(connection, parsed[0], rows)
        finally:
            connection.rollback()
    except (duckdb.Error, pl.exceptions.PolarsError) as error:
        raise _make_refusal(str(error)) from None


def split_statements(connection: duckdb.DuckDBPyConnection, text: str) -> list[str]:
    """Split a text of SQL into its statements.

    Raises:
        InputError: it is not SQL.
    """
    try:
        return [one.query for one in connection.extract_statements(text)]
    except duckdb.Error as error:
        raise _make_refusal(str(error)) from None


def report(connection: duckdb.DuckDBPyConnection, name: str) -> pl.DataFrame:
    """Run `sql/reports/<name>.sql`.

    Raises:
        InputError: there is no such report.
    """
    return query(connection, read_statement("reports", name))


def run_report(
    lake: Lake, name: str, versions: Mapping[str, int | None] | None = None
) -> pl.DataFrame:
    """Open the tables that a report reads, as `connect` does, and run it."""
    with connect(lake, versions, find_names("reports", [name])) as connection:
        return report(connection, name)


def select_experiment(rows: pl.DataFrame, experiment: str) -> pl.DataFrame:
    """Keep the rows of an experiment, the rows that all share, and rows without an experiment."""
    kept = pl.col("experiment").is_in([experiment, SHARED]) | pl.col("experiment").is_null()
    return rows.filter(kept)


def check(
    connection: duckdb.DuckDBPyConnection, name: str, rows: Mapping[str, object] | None = None
) -> pl.DataFrame:
    """Run `sql/checks/<name>.sql` over a slice; every row returned is a failure.

    Args:
        connection: an open lake.
        name: name of the check.
        rows: the slice; of other slices, nothing is returned and as little as possible is read.
            None checks all rows.

    Raises:
        InputError: there is no such check.
    """
    return query(connection, read_statement("checks", name), rows or {})


def _find_kind(
    connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement
) -> duckdb.StatementType:
    """Return the kind of a statement; for EXPLAIN, of the statement that it explains."""
    if statement.type != duckdb.StatementType.EXPLAIN:
        return statement.type
    # What is explained follows the options. It is the first end of the text that is a statement.
    text = statement.query.encode()
    for start, _ in duckdb.tokenize(statement.query)[1:]:
        try:
            return connection.extract_statements(text[start:].decode())[0].type
        except duckdb.Error:
            continue
    return statement.type


def _read_rows(
    connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement, rows: Mapping[str, object]
) -> pl.DataFrame:
    """Run a statement that reads and return a slice of it; differences of times become texts."""
    relation = connection.sql(statement)
    for column, value in rows.items():
        if column in relation.columns:
            equal = duckdb.ColumnExpression(column) == duckdb.ConstantExpression(value)
            relation = relation.filter(equal)
    spans = [
        name
        for name, kind in zip(relation.columns, relation.types, strict=True)
        if "INTERVAL" in str(kind)  # polars has no type for a difference of times
    ]
    if spans:
        texts = ", ".join(f'"{name}"::varchar as "{name}"' for name in spans)
        relation = relation.project(f"* replace ({texts})")
    return cast(pl.DataFrame, pl.from_arrow(relation.to_arrow_table()))


def _make_refusal(found: str) -> InputError:
    return InputError(
        "a query cannot be run",
        expected="one DuckDB select over the lake's tables",
        found=found,
        remedy="`show tables` lists the tables, `describe <table>` the columns of one",
    )


def _prepare(
    connection: duckdb.DuckDBPyConnection,
    tables: list[str],
    read_pairs: Callable[[], Iterable[pl.DataFrame]],
    names: Collection[str] | None = None,
) -> duckdb.DuckDBPyConnection:
    """Add empty tables, functions and staging views (of the names), then lock the connection."""
    connection.execute("set threads = 1")
    _hide_progress(connection)
    for table in sorted(set(TABLES) - set(tables)):
        if names is None or table in names:
            connection.register(table, pl.DataFrame(schema=schema_of(table)).to_arrow())
    connection.register(measured_pairs.NAME, measured_pairs.scan_measured_pairs(read_pairs))
    connection.register(BENCHMARK_COLUMNS, build_benchmark_columns().to_arrow())
    for name, statement in _list_column_types().items():
        connection.execute(f"create type {name} as enum ({statement})")
    connection.execute(f"create view {RAW_ROW_KEYS} as {_select_raw_row_keys(tables)}")
    connection.create_function(
        "bootstrap_interval",
        bootstrap.estimate_intervals,
        ["DOUBLE[]"],
        "STRUCT(low DOUBLE, high DOUBLE)",
        type=ARROW,
        null_handling=SPECIAL,
    )
    connection.execute(
        "create macro baseline_position(model) as "
        f"list_position({list(REPORTED_BASELINES)}, replace(model, '/policy', ''))"
    )
    connection.execute(
        f"create macro is_initial_policy(asset) as list_contains({list(INITIAL_POLICIES)}, asset)"
    )
    for name in list_names("macros"):
        connection.execute(read_statement("macros", name))
    for name in list_names("staging"):
        if names is None or name in names:
            connection.execute(f"create view {name} as {read_statement('staging', name)}")
    connection.execute("set python_enable_replacements = false")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def _hide_progress(connection: duckdb.DuckDBPyConnection) -> None:
    """Turn DuckDB's progress bar off: standard output is for the rows.

    In a notebook without ipywidgets DuckDB has turned it off, and refuses a statement about it.
    """
    ((shown,),) = connection.execute("select current_setting('enable_progress_bar')").fetchall()
    if shown:
        connection.execute("set enable_progress_bar = false")


def _list_column_types() -> dict[str, str]:
    """Return the enum values of each report: the columns of its benchmarks and of their errors."""
    reports_with_columns = build_benchmark_columns()["report"].unique(maintain_order=True)
    return {
        f"{report}_column": ", ".join(
            f"'{column.name}', '{column.name}_se'" for column in list_report_columns(report)
        )
        for report in reports_with_columns
    }


def _select_raw_row_keys(tables: list[str]) -> str:
    """Return a select of source and row_key from all raw tables, which SQL must name one by one."""
    quoted = [
        (table.removeprefix("raw_").replace("'", "''"), table.replace('"', '""'))
        for table in tables
        if is_raw(table)
    ]
    selects = [f"select '{source}' as source, row_key from \"{table}\"" for source, table in quoted]
    return " union all ".join(selects) or "select '' as source, '' as row_key where false"
