"""The prompt of `prefloop sql`: statements over several lines until `;`, and commands with a dot.

Not here: what a statement may do (`transforms.lake.query`). The loop, line editing, history and
completion are the standard library's cmd and readline.
"""

import cmd
import os
import readline
from pathlib import Path

import duckdb
import polars as pl
import typer

from assets.cli.output import write_frame
from assets.cli.schema import print_grains, print_schema
from transforms.errors import InputError
from transforms.formats import cut
from transforms.lake import query

PROMPT, CONTINUED = "prefloop> ", "      ... "
SHOWN_ROWS, CELL_CHARS = 100, 80
"""What a table in the prompt shows of many rows and of long text."""
HISTORY_LINES = 1000

HELP = f"""\
Any query of DuckDB, over several lines, ended by ;   It reads the lake and can write nothing.
.tables           tables, views and reports
.schema           what a row of each table is
.schema NAME      columns of a table, view or report: type, unit, meaning
.reports          what each report shows
.help  .quit      this text; leave (Ctrl-D, too). Ctrl-C drops what was typed.
Tables show {SHOWN_ROWS} rows and {CELL_CHARS} characters a cell; all of it with
prefloop sql --format csv "..." """


class Shell(cmd.Cmd):
    """Reads lines: a command with a dot is answered at once, SQL when its `;` is there."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, form: str) -> None:
        """Collect the words that Tab completes.

        Args:
            connection: from `transforms.lake.query.connect_with_reports`.
            form: how rows are written; see `write_frame`.
        """
        super().__init__()
        self.connection, self.form = connection, form
        self.typed = ""
        columns = connection.execute("select distinct column_name from duckdb_columns()").fetchall()
        commands = [name.replace("do_", ".") for name in self.get_names() if name.startswith("do_")]
        names = query.query(connection, "select name from (show tables)")["name"]
        self.words = sorted({*commands, *names, *(name for (name,) in columns)})

    @property
    def prompt(self) -> str:
        """The prompt of a new statement, or of its next line."""
        return CONTINUED if self.typed else PROMPT

    def onecmd(self, line: str) -> bool:
        """Answer a line; whether it leaves the prompt."""
        if line == "EOF":  # of `cmd.Cmd`: Ctrl-D
            typer.echo("")
            return True
        self.typed += line + "\n"
        if not is_complete(self.connection, self.typed):
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
        """Print what can be asked."""
        write_frame(tables(self.connection), "table")

    def do_schema(self, name: str) -> None:
        """Print what a row of each table is, or the columns of one table."""
        if name:
            print_schema(self.connection, name)
        else:
            print_grains(self.connection)

    def do_reports(self, _: str) -> None:
        """Print what each report says."""
        for report in query.list_reports():
            typer.echo(f"{report}\n    {query.read_description('reports', report)}")

    def do_quit(self, _: str) -> bool:
        """Leave."""
        return True

    do_exit = do_quit

    def default(self, line: str) -> None:
        """Refuse a command that there is not.

        Raises:
            InputError: always.
        """
        raise InputError(
            "no such command",
            expected=".tables, .schema, .schema NAME, .reports, .help or .quit",
            found=f".{line}",
            remedy="a statement begins without a dot and ends with ;",
        )

    def emptyline(self) -> None:
        """Refuse a dot alone; `cmd.Cmd` would run the last command again."""
        self.default("")

    def completenames(self, text: str, *_: object) -> list[str]:
        """List the words that begin with a text."""
        return [word for word in self.words if word.startswith(text)]

    completedefault = completenames


def run_shell(connection: duckdb.DuckDBPyConnection, history_file: Path, form: str) -> None:
    """Read statements and commands from a terminal until `.quit` or the end of the input.

    Args:
        connection: from `transforms.lake.query.connect_with_reports`.
        history_file: earlier lines, where its folder can be written.
        form: how rows are written; see `write_frame`.
    """
    if history_file.is_file():
        readline.read_history_file(history_file)
    typer.echo("DuckDB over the lake, read only. .help lists the commands, .quit leaves.")
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


def run(connection: duckdb.DuckDBPyConnection, text: str, form: str) -> None:
    """Run the statements of a text and print their rows.

    Raises:
        InputError: a statement is refused.
    """
    for statement in query.split_statements(connection, text):
        rows = query.query(connection, statement)
        if form != "table":
            write_frame(rows, form)
            continue
        write_frame(_shortened(rows.head(SHOWN_ROWS)), form)
        shown = f", the first {SHOWN_ROWS} shown" if rows.height > SHOWN_ROWS else ""
        typer.echo(f"(rows: {rows.height}{shown})")


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
            kind=pl.when(pl.col("name").is_in(query.list_reports()))
            .then(pl.lit("report"))
            .when(pl.col("name").is_in(query.list_views()))
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
            [None if value is None else cut(str(value), CELL_CHARS) for value in column.to_list()],
            dtype=pl.String,
        )
        for column in rows
        if column.dtype == pl.String or column.dtype.is_nested()
    }
    return rows.with_columns(**texts)
