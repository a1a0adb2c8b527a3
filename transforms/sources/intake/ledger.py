"""The ledger of dropped rows (`dropped_rows`) and the accounts of incoming rows (`source_rows`).

Not here: the rules that drop rows (`transforms.sources.layouts.rules`). The order of writing is
ledger, table, account. So a row is always in the table or in the ledger, and an account exists only
after both.
"""

from typing import Any

import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.sources.intake.sources import Source

KeptAndDropped = tuple[pl.DataFrame, pl.DataFrame]
"""Kept rows and `dropped_rows`."""


def write_ledger(lake: Lake, table: str, dropped: pl.DataFrame, **columns: str) -> int:
    """Replace the ledger's rows about a table; return the version of the ledger.

    Args:
        lake: the lake.
        table: table that the rows would have entered.
        dropped: `dropped_rows`.
        columns: further columns of the slice to replace; `source=...` replaces the rows of one
            source.
    """
    return lake.overwrite("dropped_rows", dropped, table=table, **columns)


def write_dropped_examples(
    lake: Lake, dropped: pl.DataFrame, *, asset: str, experiment: str
) -> int:
    """Replace the examples that a training or a ranker left out; return the version.

    Args:
        lake: the lake.
        dropped: row_key, reason, evidence.
        asset: the asset that left them out; the ledger's `table` is `asset [experiment]`.
        experiment: experiment of the asset.
    """
    table = _name_examples(asset, experiment)
    rows = dropped.with_columns(table=pl.lit(table), source=pl.lit(asset))
    return write_ledger(lake, table, rows)


def read_dropped_examples(lake: Lake, *, asset: str, experiment: str) -> pl.DataFrame:
    """Return the `dropped_rows` that `write_dropped_examples` has written for an asset."""
    return lake.read("dropped_rows", table=_name_examples(asset, experiment))


def _name_examples(asset: str, experiment: str) -> str:
    """Return the ledger's name of an asset's examples, which are in no table."""
    return f"{asset} [{experiment}]"


def write_account(lake: Lake, table: str, source: Source, rows_in: int, intake_id: str = "") -> int:
    """Record the number of incoming rows of a source; return the version of `source_rows`.

    A check compares this number with the rows kept plus the rows dropped.

    Args:
        lake: the lake.
        table: table that the rows enter.
        source: source of the rows.
        rows_in: number of rows.
        intake_id: identifier of the rows and settings from which the slice was made.
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
    """Return the intake ids of a table's accounts, by source."""
    rows = lake.read_or_empty("source_rows", table=table)
    return dict(rows.select("source", "intake_id").iter_rows())


def delete_records(lake: Lake, table: str, source: str) -> None:
    """Delete the ledger rows and the account of a source that no longer enters a table."""
    for name in ("dropped_rows", "source_rows"):
        lake.delete(name, table=table, source=source)


def count_reasons(lake: Lake, table: str) -> pl.DataFrame:
    """Count the rows dropped from a table: source, reason, rows; the most frequent reason first."""
    dropped = lake.scan("dropped_rows", table=table)
    counted = dropped.group_by("source", "reason").agg(rows=pl.len())
    return counted.sort("rows", "source", "reason", descending=[True, False, False]).collect()
