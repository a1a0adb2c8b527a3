"""The ledger (`dropped_rows`) and the accounts (`source_rows`): what came in, what was left out.

Lives here: writing and counting both. Not here: why a row is left out
(`transforms.sources.layouts.rules`). A table's order of writing is ledger, table, account, so that
no row is ever in neither table nor ledger, and an account says that the others stand.
"""

from typing import Any

import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.sources.intake.sources import Source

Split = tuple[pl.DataFrame, pl.DataFrame]
"""Kept rows and `dropped_rows`."""


def write_ledger(lake: Lake, table: str, dropped: pl.DataFrame, **rows: str) -> int:
    """Replace the rows of the ledger that were left out of a table; return the version.

    Args:
        lake: the tables.
        table: that the rows would have entered.
        dropped: `dropped_rows`.
        rows: `source=...` replaces one source's alone.
    """
    return lake.overwrite("dropped_rows", dropped, table=table, **rows)


def write_dropped_examples(
    lake: Lake, dropped: pl.DataFrame, *, asset: str, experiment: str
) -> int:
    """Replace the examples that a training or a ranker left out; return the version.

    Args:
        lake: the tables.
        dropped: row_key, reason, evidence.
        asset: that left them out; its `table` in the ledger is `asset [experiment]`.
        experiment: of the asset.
    """
    table = f"{asset} [{experiment}]"
    rows = dropped.with_columns(table=pl.lit(table), source=pl.lit(asset))
    return write_ledger(lake, table, rows)


def write_account(lake: Lake, table: str, source: Source, rows_in: int, intake_id: str = "") -> int:
    """Record what came in from a source: kept + dropped is checked against it; return the version.

    Args:
        lake: the tables.
        table: that the rows would enter.
        source: that they came from.
        rows_in: how many.
        intake_id: identity of the settings and rows that they came from.
    """
    row: dict[str, Any] = {
        "table": table,
        "source": source.name,
        "entry": source.entry_name,
        "rows_in": rows_in,
        "intake_id": intake_id,
    }
    frame = pl.DataFrame([row], schema=schema_of("source_rows"))
    return lake.overwrite("source_rows", frame, table=table, source=source.name)


def read_accounts(lake: Lake, table: str) -> dict[str, str]:
    """Read the intake ids of a table's accounts, by source."""
    if not lake.exists("source_rows"):
        return {}
    rows = lake.read("source_rows", table=table)
    return dict(rows.select("source", "intake_id").iter_rows())


def delete_records(lake: Lake, table: str, source: str) -> None:
    """Remove what ledger and accounts say of a source that a table no longer takes in."""
    for name in ("dropped_rows", "source_rows"):
        lake.delete(name, table=table, source=source)


def count_reasons(lake: Lake, table: str) -> pl.DataFrame:
    """Count what was left out of a table: source, reason, rows; the most frequent first."""
    dropped = lake.scan("dropped_rows", table=table)
    counted = dropped.group_by("source", "reason").agg(rows=pl.len())
    return counted.sort("rows", "source", "reason", descending=[True, False, False]).collect()
