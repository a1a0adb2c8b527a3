"""A lake opened for the page: its name, tables and reports."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import polars as pl

from transforms.lake.lake import Lake
from transforms.views import query
from transforms.views.empty_reports import read_condition


@dataclass(frozen=True)
class Source:
    """A lake that the page shows."""

    name: str
    lake: Lake
    connection: duckdb.DuckDBPyConnection

    def report(self, name: str) -> pl.DataFrame:
        """Run a report of `sql/reports`."""
        return query.report(self.connection, name)

    def explain_empty(self, name: str) -> str:
        """Return the condition for rows of a report, for the one line of an absent section."""
        return read_condition(name).replace("`", "")

    def table(self, name: str, /, **rows: str) -> pl.DataFrame:
        """Read a table, or its rows with these values; no rows if it was never written."""
        return self.lake.read_or_empty(name, **rows)

    def scan(self, name: str) -> pl.LazyFrame:
        """Scan a table; no rows if it was never written."""
        return self.lake.scan_or_empty(name)


@contextmanager
def open_source(name: str, lake: Lake) -> Iterator[Source]:
    """Open a lake for reading."""
    with query.connect(lake) as connection:
        yield Source(name, lake, connection)
