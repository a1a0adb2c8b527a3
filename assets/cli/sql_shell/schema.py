"""Output of `.tables` and `.schema`: grains and row counts, or the columns of one table.

Not here: the declarations (`transforms.lake.schemas`), the comments of views and reports (`sql/`).
"""

import duckdb
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from transforms.lake.schemas import SUBJECTS, declaration_of, is_raw
from transforms.lake.schemas.preferences import raw_table
from transforms.lake.schemas.records import COMPUTED
from transforms.lake.schemas.table import MESSAGES, Table, type_name
from transforms.views import query, statements
from transforms.views.names import count_rows, list_tables

MESSAGES_NOTE = "messages: a list of (role, content), the first turn's text is prompt[1].content"

TYPE_CHARS = 10
"""Most characters of a DuckDB type; a longer one is printed by a short name."""

UNIT_WIDTH = 14
"""Characters of the column `unit`; a longer unit is wrapped."""


def print_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Print name, number of rows and grain of each table, by subject; then views and reports."""
    subjects = {
        **SUBJECTS,
        "Computed when they are read": COMPUTED,
        "Sources": {name: raw_table({}) for name in list_tables(connection) if is_raw(name)},
    }
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, justify="right")
    grid.add_column()
    for subject, tables in subjects.items():
        if tables:
            grid.add_row(Text(subject, style="bold"), Text("rows", style="dim"))
        counts = count_rows(connection, tables)
        for name, table in tables.items():
            count = counts[name]
            grid.add_row(Text(f"  {name}"), Text(f"{count:,}"), Text(table.grain))
    for title, folder, views in (
        ("Views", "staging", statements.list_views()),
        ("Reports", "reports", statements.list_reports()),
    ):
        grid.add_row(Text(title, style="bold"))
        for name in views:
            grain = statements.read_description(folder, name).partition(". ")[0].rstrip(".") + "."
            grid.add_row(Text(f"  {name}"), None, Text(grain))
    Console().print(grid)


def print_schema(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Print the grain and the columns of a table, view or report.

    Raises:
        InputError: there is no table, view or report with that name.
    """
    quoted = name.replace('"', '""')
    described = query.query(connection, f'describe "{quoted}"')
    columns = query.query(connection, f'from "{quoted}" limit 0').schema
    table = declaration_of(name, dict(columns))
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column("column", no_wrap=True)
    grid.add_column("type", overflow="fold")
    if table:
        grid.add_column("unit", max_width=UNIT_WIDTH)
        grid.add_column("meaning")
    for column, dtype in described.select("column_name", "column_type").iter_rows():
        short = dtype if len(dtype) <= TYPE_CHARS else type_name(columns[column])
        facts = (table.columns[column].unit or "", table.columns[column].meaning) if table else ()
        grid.add_row(*map(Text, (column, short, *facts)))
    console = Console()
    console.print(Text(_grain(name, table)))
    console.print(grid)
    if MESSAGES in columns.values():
        console.print(Text(MESSAGES_NOTE, style="italic"))


def _grain(name: str, table: Table | None) -> str:
    if table is None:
        return statements.read_description(
            "reports" if name in statements.list_reports() else "staging", name
        )
    divided = ", ".join(table.partitions)
    return f"{table.grain} Files are divided by {divided}." if divided else table.grain
