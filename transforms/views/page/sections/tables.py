"""Section of the lake's tables: grain, columns, size and last commit.

Not here: the declarations (`transforms.lake.schemas`).
"""

import polars as pl

from transforms.lake.history import read_table_history
from transforms.lake.schemas import declaration_of
from transforms.lake.schemas.table import Table as Declaration
from transforms.views.page.blocks import Column, Row, Section, Table
from transforms.views.page.cells import make_table
from transforms.views.page.opened_lake import Source

HEAD = (Column("column"), Column("type"), Column("unit"), Column("meaning", kind="long"))


def show_tables(source: Source) -> Section:
    """Show the tables with sizes and last commits, then the columns of each, folded."""
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
        (name, declaration_of(name, dict(lake.scan(name).collect_schema())))
        for name in rows["table"]
    ]
    return Section(
        "tables",
        "Tables",
        "All tables of the lake are versioned; overwritten rows stay readable by version "
        "(prefloop sql --as-of). Below, the grain and the columns of each table.",
        [
            make_table(rows, "Delta tables.", units={"bytes_written": "bytes", "written": "UTC"}),
            *(_list_columns(name, one) for name, one in declared if one),
        ]
        if rows.height
        else [],
        absent="The lake has no tables.",
    )


def _list_columns(name: str, declared: Declaration) -> Table:
    """Make the table of a table's columns."""
    rows = [
        Row([column, one.type_name, one.unit or "", one.meaning])
        for column, one in declared.columns.items()
    ]
    return Table(f"{name}: {declared.grain}", HEAD, rows, folded=True, counted="columns")
