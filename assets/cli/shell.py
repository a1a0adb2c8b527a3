"""The shell of `prefloop sql`: SQL over several lines until `;`, and commands with a dot.

Not here: the limits of a statement (`transforms.views.query`). The loop, line editing, history and
completion are the standard library's cmd and readline.
"""

import cmd
import os
import readline
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import duckdb
import polars as pl
import typer

from assets.cli.output import write_frame
from assets.cli.schema import print_grains, print_schema
from transforms.errors import InputError
from transforms.formats import cut
from transforms.views import query

PROMPT, CONTINUED = "prefloop> ", "      ... "
SHOWN_ROWS, CELL_CHARS = 100, 80
"""Most rows of a table, and most characters of a cell, that the shell shows."""
HISTORY_LINES = 1000
POLL_S = 0.05
"""Time between two looks for Ctrl-C while a query runs, in seconds."""

HELP = f"""\
Type a query of DuckDB over one or more lines and end it with ;  Queries cannot write to the lake.
.tables           list tables, views and reports
.schema           show the meaning of a row of each table
.schema NAME      show the columns of a table, view or report: type, unit, meaning
.reports          show the content of each report
.help  .quit      show this text; leave (also Ctrl-D). Ctrl-C deletes the typed text.
Tables show {SHOWN_ROWS} rows and {CELL_CHARS} characters per cell. For all of them:
prefloop sql --format csv "..." """


class Shell(cmd.Cmd):
    """The reader of lines: it runs commands with a dot at once, and SQL at its `;`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, form: str) -> None:
        """Prepare a shell and the words that Tab completes.

        Args:
            connection: from `transforms.views.query.connect_with_reports`.
            form: format of rows; see `write_frame`.
        """
        super().__init__()
        self.connection, self.form = connection, form
        self.typed = ""
        columns = connection.execute("select distinct column_name from duckdb_columns()").fetchall()
        commands = [name.replace("do_", ".") for name in self.get_names() if name.startswith("do_")]
        names = query.query(connection, "select name from (show tables)")["name"]
        self.words = sorted({*commands, *names, *(name for (name,) in columns)})

    @property
    def prompt(self) -> str:  # type: ignore[override]  # `cmd.Cmd` only reads its attribute
        """Return the prompt of a new statement, or of its next line."""
        return CONTINUED if self.typed else PROMPT

    def onecmd(self, line: str) -> bool:
        """Run a line; return whether the shell ends."""
        if line == "EOF":  # `cmd.Cmd` passes this for Ctrl-D
            typer.echo("")
            return True
        self.typed += line + "\n"
        if not is_complete(self.typed):
            return False
        text, self.typed = self.typed.strip(), ""
        try:
            if text.startswith("."):
                return bool(super().onecmd(text[1:]))
            run(self.connection, text, self.form)
        except InputError as error:
            typer.secho(str(error), fg=typer.colors.RED, err=True)
        return False

    def do_help(self, _: str) -> None:
        """Print the commands."""
        typer.echo(HELP)

    def do_tables(self, _: str) -> None:
        """Print the names of tables, views and reports."""
        write_frame(list_tables(self.connection), "table")

    def do_schema(self, name: str) -> None:
        """Print the grain of each table, or the columns of one table."""
        if name:
            print_schema(self.connection, name)
        else:
            print_grains(self.connection)

    def do_reports(self, _: str) -> None:
        """Print the description of each report."""
        for report in query.list_reports():
            typer.echo(f"{report}\n    {query.read_description('reports', report)}")

    def do_quit(self, _: str) -> bool:
        """End the shell."""
        return True

    do_exit = do_quit

    def default(self, line: str) -> None:
        """Refuse an unknown command.

        Raises:
            InputError: always.
        """
        raise InputError(
            "no such command",
            expected=".tables, .schema, .schema NAME, .reports, .help or .quit",
            found=f".{line}",
            remedy="a statement begins without a dot and ends with ;",
        )

    def emptyline(self) -> bool:
        """Refuse a dot alone, for which `cmd.Cmd` would run the last command again."""
        self.default("")
        return False

    def completenames(self, text: str, *_: object) -> list[str]:
        """List the words that begin with a text."""
        return [word for word in self.words if word.startswith(text)]

    completedefault = completenames


def run_shell(connection: duckdb.DuckDBPyConnection, history_file: Path, form: str) -> None:
    """Read statements and commands from a terminal until `.quit` or the end of the input.

    Args:
        connection: from `transforms.views.query.connect_with_reports`.
        history_file: file of earlier lines; written if its folder is writable.
        form: format of rows; see `write_frame`.
    """
    if history_file.is_file():
        readline.read_history_file(history_file)
    typer.echo("DuckDB over the lake, read-only. .help lists the commands, .quit leaves.")
    shell = Shell(connection, form)
    while True:
        try:
            shell.cmdloop()
            break
        except KeyboardInterrupt:
            typer.echo("")
            shell.typed = ""
    if os.access(history_file.parent, os.W_OK):
        readline.set_history_length(HISTORY_LINES)
        readline.write_history_file(history_file)


def is_complete(typed: str) -> bool:
    """Return whether typed text is a command, or its last token is `;`.

    A semicolon in quotes is part of a longer token, one in a comment part of no token, so neither
    ends a statement; a comment may follow the last semicolon.
    """
    text = typed.strip()
    if not text or text.startswith("."):
        return True
    encoded = text.encode()  # the tokens' positions count bytes
    code = [at for at, kind in duckdb.tokenize(text) if kind != duckdb.token_type.comment]
    return bool(code) and encoded[code[-1] :].startswith(b";")


def query_until_interrupted(connection: duckdb.DuckDBPyConnection, statement: str) -> pl.DataFrame:
    """Run one statement; Ctrl-C stops it.

    The query runs in a thread of its own. The main thread looks for Ctrl-C between short waits,
    because Python handles a signal in that thread only, and the system can deliver it to another
    one, which ends no wait.

    Raises:
        InputError: see `query`.
        KeyboardInterrupt: Ctrl-C; the connection can be used again.
    """
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(query.query, connection, statement)
        try:
            while not future.done():
                wait([future], timeout=POLL_S)
        except KeyboardInterrupt:
            while not future.done():  # an interrupt before the query runs has no effect
                connection.interrupt()
                wait([future], timeout=POLL_S)
            raise
        return future.result()


def run(connection: duckdb.DuckDBPyConnection, text: str, form: str) -> None:
    """Run the statements of a text and print their rows.

    Raises:
        InputError: a statement is refused.
    """
    for statement in query.split_statements(connection, text):
        rows = query_until_interrupted(connection, statement)
        if form != "table":
            write_frame(rows, form)
            continue
        write_frame(_shorten(rows.head(SHOWN_ROWS)), form)
        shown = f", the first {SHOWN_ROWS} shown" if rows.height > SHOWN_ROWS else ""
        if not rows.is_empty():  # an empty table says so itself
            typer.echo(f"({rows.height} rows{shown})")


def list_tables(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """List tables, views and reports: name, kind, last Delta version."""
    versions = query.query(
        connection,
        'select "table" as name, max(version) as last_version from table_history group by 1',
    )
    return (
        query.query(connection, "select name from (show tables)")
        .join(versions, on="name", how="left")
        .with_columns(
            kind=pl.when(pl.col("name").is_in(query.list_reports()))
            .then(pl.lit("report"))
            .when(pl.col("name").is_in(query.list_views()))
            .then(pl.lit("view"))
            .otherwise(pl.lit("table"))
        )
        .select("name", "kind", "last_version")
        .sort("kind", "name")
    )


def _shorten(rows: pl.DataFrame) -> pl.DataFrame:
    """Cut long text; lists and structs become text, too."""
    texts = {
        column.name: pl.Series(
            column.name,
            [None if value is None else cut(str(value), CELL_CHARS) for value in column.to_list()],
            dtype=pl.String,
        )
        for column in rows
        if column.dtype == pl.String or column.dtype.is_nested()
    }
    return rows.with_columns(**texts)
