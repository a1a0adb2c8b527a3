"""Losses of sources: the rows that rules dropped, as a warning or an error with an example.

Not here: the rules (`transforms.sources.layouts.rules`), the ledger
(`transforms.sources.intake.ledger`).
"""

import json
import re

import polars as pl

from transforms.errors import InputError
from transforms.formats import cut
from transforms.lake.lake import Lake
from transforms.sources.files.reading import ROW_KEY

DROPPED_SHARE = 0.5
"""Share of a source's rows from which its loss is a warning: most of the source is then not used.
Public sets in their own entry lose less, except sets of scored samples, whose many ties and
unscored pairs are worth a look as well."""

LEFT_OUT_SHARE = 0.1
"""Share of a training's examples from which leaving them out is a warning: its result is then that
of other data than the recipe names."""

SHOWN_CHARS = 80
"""Characters of a row, and of the evidence against it, that are shown."""

SHOWN_REASONS = 4


def find_losses(lake: Lake, table: str) -> list[str]:
    """Return a sentence per source that lost `DROPPED_SHARE` of its rows on the way to a table."""
    accounts = lake.read("source_rows", table=table).filter(pl.col("rows_in") > 0)
    dropped = lake.scan("dropped_rows", table=table)
    counts = dropped.group_by("source").agg(dropped=pl.len()).collect()
    heavy = accounts.join(counts, on="source").filter(
        pl.col("dropped") >= DROPPED_SHARE * pl.col("rows_in")
    )
    return [
        f"{lost:,} of {rows_in:,} rows of source {source} are dropped: "
        + describe_loss(lake, dropped.filter(pl.col("source") == source).collect())
        for source, rows_in, lost in heavy.select("source", "rows_in", "dropped")
        .sort("source")
        .rows()
    ]


def find_long_prompts(lake: Lake) -> str | None:
    """Return a sentence if `DROPPED_SHARE` of the prompts of all splits are too long, else None."""
    dropped = lake.scan("dropped_rows", table="prompt_splits")
    long = dropped.filter(pl.col("reason") == "too_long").collect()
    prompts = lake.height("prompt_splits") + long.height
    if not long.height or long.height < DROPPED_SHARE * prompts:
        return None
    return f"{long.height:,} of {prompts:,} prompts are dropped: {describe_loss(lake, long)}"


def find_left_out(dropped: pl.DataFrame, kept: int) -> str | None:
    """Return a sentence if a training leaves out `LEFT_OUT_SHARE` of its examples, else None.

    Args:
        dropped: row_key, reason, evidence.
        kept: number of the other examples.
    """
    examples = kept + dropped.height
    if not dropped.height or dropped.height < LEFT_OUT_SHARE * examples:
        return None
    reasons = dropped["reason"].value_counts().sort("count", "reason", descending=[True, False])
    counted = ", ".join(f"{count:,} {reason}" for reason, count in reasons.iter_rows())
    return (
        f"{dropped.height:,} of {examples:,} examples are left out ({counted}): dropped_rows has "
        "them, and a larger max_tokens keeps those that are too long"
    )


def require_kept(
    lake: Lake, table: str, source: str, rows_in: int, kept: int, dropped: pl.DataFrame
) -> None:
    """Refuse a source of which no row passes the rules.

    Args:
        lake: the lake with the source's raw table.
        table: table that the rows would enter.
        source: its name.
        rows_in: number of rows.
        kept: number of rows that pass the rules.
        dropped: `dropped_rows` of the others.

    Raises:
        InputError: no row is kept; with the reasons and an example.
    """
    if kept:
        return
    raise InputError(
        f"no row of source {source} can enter {table}",
        expected="rows that the entry's layout can read",
        found=f"{rows_in:,} rows, all dropped: {describe_loss(lake, dropped)}"
        if rows_in
        else "no rows",
        remedy="choose the entry that fits (prefloop sources FILE), change the options of the "
        "source, or remove the role from it",
    )


def describe_loss(lake: Lake, dropped: pl.DataFrame) -> str:
    """Describe dropped rows: the most frequent reasons, and an example of the first of them."""
    reasons = dropped.group_by("reason").len().sort("len", "reason", descending=[True, False])
    counts = ", ".join(
        f"{count:,} {reason}" for reason, count in reasons.head(SHOWN_REASONS).rows()
    )
    others = f" and {reasons.height - SHOWN_REASONS} more" if reasons.height > SHOWN_REASONS else ""
    most = dropped.filter(pl.col("reason") == reasons["reason"][0]).row(0, named=True)
    text = _read_row(lake, most["source"], most["row_key"])
    shown = f" of {cut(text, SHOWN_CHARS)}" if text else ""
    evidence = cut(most["evidence"], SHOWN_CHARS)
    return f"{counts}{others}. Example: {most['row_key']}, {evidence}{shown}"


def _read_row(lake: Lake, source: str, row_key: str) -> str:
    """Return a raw row as JSON text; empty if the raw table does not have it."""
    table = f"raw_{source}"
    if not lake.exists(table):
        return ""
    first = re.sub(r"#\d+(,\d+)?$", "", row_key.split("|")[0])
    rows = lake.scan(table).filter(pl.col(ROW_KEY) == first).drop(ROW_KEY).head(1).collect()
    return (
        json.dumps(rows.row(0, named=True), ensure_ascii=False, default=str) if rows.height else ""
    )
