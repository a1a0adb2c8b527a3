"""The prompt of `prefloop sql`: statements over several lines until `;`, and commands with a dot.

Not here: what a statement may do (`transforms.lake.query`). Line editing, history and completion
are the standard library's readline.
"""

import os
import readline
from pathlib import Path

import duckdb
import polars as pl
import typer

from assets.cli.output import write_frame
from transforms.errors import InputError
from transforms.lake import query
from transforms.lake.schemas import TABLES

PROMPT, CONTINUED = "prefloop> ", "      ... "
SHOWN_ROWS, CELL_CHARS = 100, 80
"""What a table in the prompt shows of many rows and of long text."""
HISTORY_LINES = 1000

HELP = f"""\
Any query of DuckDB, over several lines, ended by ;   It reads the lake and can write nothing.
.tables           tables, views and reports
.schema NAME      columns of one of them
.reports          what each report says
.help  .quit      this text; leave (Ctrl-D, too). Ctrl-C drops what was typed.
Tables show {SHOWN_ROWS} rows and {CELL_CHARS} characters a cell; all of it with
prefloop sql --format csv "..." """


def run_shell(connection: duckdb.DuckDBPyConnection, history_file: Path, form: str) -> None:
    """Read statements and commands from a terminal until `.quit` or the end of the input.

    Args:
        connection: from `transforms.lake.query.explore`.
        history_file: earlier lines, where its folder can be written.
        form: how rows are written; see `write_frame`.
    """
    _prepare_readline(connection, history_file)
    typer.echo("DuckDB over the lake, read only. .help tells more, .quit leaves.")
    typed = ""
    while True:
        try:
            typed += input(CONTINUED if typed else PROMPT) + "\n"
        except KeyboardInterrupt:
            typer.echo("")
            typed = ""
            continue
        except EOFError:
            typer.echo("")
            break
        if typed.strip() in (".quit", ".exit"):
            break
        if is_complete(connection, typed):
            try:
                answer(connection, typed.strip(), form)
            except InputError as error:
                typer.secho(str(error), fg=typer.colors.RED, err=True)
            typed = ""
    if os.access(history_file.parent, os.W_OK):
        readline.set_history_length(HISTORY_LINES)
        readline.write_history_file(history_file)


def is_complete(connection: duckdb.DuckDBPyConnection, typed: str) -> bool:
    """Tell whether what was typed can be answered, or goes on in the next line."""
    text = typed.strip()
    if not text or text.startswith("."):
        return True
    if not text.endswith(";"):
        return False
    try:
        connection.extract_statements(text)
    except duckdb.ParserException as error:
        return "unterminated" not in str(error)  # a semicolon inside quotes ends nothing
    return True


def answer(connection: duckdb.DuckDBPyConnection, text: str, form: str) -> None:
    """Answer one command with a dot, or the statements of a text.

    Raises:
        InputError: no such command, or a statement is refused.
    """
    if text.startswith("."):
        _command(connection, *text.split())
        return
    for statement in query.statements(connection, text):
        rows = query.query(connection, statement)
        if form != "table":
            write_frame(rows, form)
            continue
        write_frame(_shortened(rows.head(SHOWN_ROWS)), form)
        shown = f", the first {SHOWN_ROWS} shown" if rows.height > SHOWN_ROWS else ""
        typer.echo(f"(rows: {rows.height}{shown})")


def _command(connection: duckdb.DuckDBPyConnection, name: str, *words: str) -> None:
    if name == ".help":
        typer.echo(HELP)
    elif name == ".tables":
        write_frame(tables(connection), "table")
    elif name == ".schema" and len(words) == 1:
        quoted = words[0].replace('"', '""')
        rows = query.query(connection, f'describe "{quoted}"')
        write_frame(rows.select("column_name", "column_type"), "table")
    elif name == ".reports":
        for report in query.reports():
            typer.echo(f"{report}\n    {query.describe('reports', report)}")
    else:
        raise InputError(
            "no such command",
            expected=".tables, .schema NAME, .reports, .help or .quit",
            found=" ".join([name, *words]),
            remedy="a statement begins without a dot and ends with ;",
        )


def tables(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """List what can be asked: name, kind (table, view, report), last Delta version."""
    versions = query.query(
        connection,
        'select "table" as name, max(version) as last_version from table_history group by 1',
    )
    return (
        query.query(connection, "select name from (show tables)")
        .join(versions, on="name", how="left")
        .with_columns(
            kind=pl.when(pl.col("name").is_in(query.reports()))
            .then(pl.lit("report"))
            .when(pl.col("name").is_in(query.views()))
            .then(pl.lit("view"))
            .otherwise(pl.lit("table"))
        )
        .select("name", "kind", "last_version")
        .sort("kind", "name")
    )


def _shortened(rows: pl.DataFrame) -> pl.DataFrame:
    """Cut long text, and write lists and structs as text that can be cut."""
    texts = {
        column.name: pl.Series(
            column.name,
            [None if value is None else _cut(str(value)) for value in column.to_list()],
            dtype=pl.String,
        )
        for column in rows
        if column.dtype == pl.String or column.dtype.is_nested()
    }
    return rows.with_columns(**texts)


def _cut(text: str) -> str:
    return text if len(text) <= CELL_CHARS else text[: CELL_CHARS - 1] + "…"


def _prepare_readline(connection: duckdb.DuckDBPyConnection, history_file: Path) -> None:
    if history_file.is_file():
        readline.read_history_file(history_file)
    columns = connection.execute("select distinct column_name from duckdb_columns()").fetchall()
    words = sorted({*TABLES, *query.reports(), *(name for (name,) in columns)})

    def complete(text: str, nth: int) -> str | None:
        matches = [word for word in words if word.startswith(text)]
        return matches[nth] if nth < len(matches) else None

    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
