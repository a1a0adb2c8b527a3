"""The tables of a lake: what a row of each is, its size and last commit, and its columns.

Not here: the declarations that are shown (`transforms.lake.schemas`).
"""

import polars as pl

from transforms.lake.history import read_table_history
from transforms.lake.schemas import declaration_of
from transforms.lake.schemas.table import Table as Declaration
from transforms.views.page.blocks import Column, Row, Section, Table
from transforms.views.page.cells import table
from transforms.views.page.opened_lake import Source

HEAD = (Column("column"), Column("type"), Column("unit"), Column("meaning", kind="long"))


def tables(source: Source) -> Section:
    """List the tables, their sizes and last commits; then the columns of each, folded."""
    rows = (
        read_table_history(source.lake)
        .sort("table", "version")
        .group_by("table", maintain_order=True)
        .agg(
            last_version=pl.col("version").last(),
            written=pl.col("timestamp").last(),
            commits=pl.len(),
            bytes_written=pl.col("bytes_added").sum(),
        )
    )
    lake = source.lake
    declared = [
        (name, declaration_of(name, lake.scan(name).collect_schema())) for name in rows["table"]
    ]
    return Section(
        "tables",
        "Tables",
        "Every table of the lake is versioned; an overwritten row stays readable by version "
        "(prefloop sql --as-of). Below: what a row of each table is, and its columns.",
        [
            table(rows, "Delta tables.", units={"bytes_written": "bytes", "written": "UTC"}),
            *(_columns(name, one) for name, one in declared if one),
        ]
        if rows.height
        else [],
        absent="No table was written.",
    )


def _columns(name: str, declared: Declaration) -> Table:
    """List a table's columns."""
    rows = [
        Row([column, one.type_name, one.unit or "", one.meaning])
        for column, one in declared.columns.items()
    ]
    return Table(f"{name}: {declared.grain}", HEAD, rows, folded=True, counted="columns")
