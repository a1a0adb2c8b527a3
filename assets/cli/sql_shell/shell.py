"""The loop of the shell: SQL over several lines until `;`, and commands with a dot.

Not here: the limits of a statement (`transforms.views.query`), display of rows and completion (the
other files of this folder). The loop, line editing and history are the standard library's cmd and
readline.
"""

import cmd
import os
import readline
from difflib import get_close_matches
from pathlib import Path

import duckdb
import typer

from assets.cli.sql_shell.commands import COMMANDS, HELP, require_word
from assets.cli.sql_shell.completion import Completer
from assets.cli.sql_shell.display import Display
from assets.cli.sql_shell.interruption import query_until_interrupted
from assets.cli.sql_shell.schema import print_schema, print_tables
from transforms.errors import InputError
from transforms.views import query, statements

PROMPT, CONTINUED = "prefloop> ", "      ... "
HISTORY_LINES = 1000


class Shell(cmd.Cmd):
    """The reader of lines: it runs commands with a dot at once, and SQL at its `;`."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, form: str, history_file: Path | None = None
    ) -> None:
        """Prepare a shell.

        Args:
            connection: from `transforms.views.query.connect_with_reports`.
            form: format of rows; see `write_frame`.
            history_file: file to which every typed line is added at once; None: none.
        """
        super().__init__()
        self.connection, self.history_file = connection, history_file
        self.display = Display(form)
        self.completer = Completer(connection, COMMANDS)
        self.typed = ""
        self.words: list[str] = []

    @property
    def prompt(self) -> str:  # type: ignore[override]  # `cmd.Cmd` only reads its attribute
        """Return the prompt of a new statement, or of its next line."""
        return CONTINUED if self.typed else PROMPT

    def onecmd(self, line: str) -> bool:
        """Run a line; return whether the shell ends."""
        if line == "EOF":  # `cmd.Cmd` passes this for Ctrl-D
            typer.echo("")
            return True
        if self.history_file is not None and line.strip():
            readline.append_history_file(1, self.history_file)
        try:
            return self._run_line(line)
        except InputError as error:
            typer.secho(str(error), fg=typer.colors.RED, err=True)
        return False

    def do_help(self, _: str) -> None:
        """Print the commands."""
        typer.echo(HELP)

    def do_tables(self, _: str) -> None:
        """Print names, rows and grains of tables, views and reports."""
        print_tables(self.connection)

    def do_schema(self, name: str) -> None:
        """Print the columns of one table; without a name, the grain of each."""
        if name:
            print_schema(self.connection, name)
        else:
            print_tables(self.connection)

    def do_reports(self, _: str) -> None:
        """Print the description of each report."""
        for report in statements.list_reports():
            typer.echo(f"{report}\n    {statements.read_description('reports', report)}")

    def do_mode(self, form: str) -> None:
        """Set the format of rows."""
        self.display.form = require_word(".mode", form)

    def do_pager(self, state: str) -> None:
        """Turn the pager on or off."""
        self.display.pager = require_word(".pager", state) == "on"

    def do_timer(self, state: str) -> None:
        """Turn the time of statements on or off."""
        self.display.timer = require_word(".timer", state) == "on"

    def do_quit(self, _: str) -> bool:
        """End the shell."""
        return True

    do_exit = do_quit

    def default(self, line: str) -> None:
        """Refuse an unknown command.

        Raises:
            InputError: always.
        """
        near = get_close_matches(f".{line.partition(' ')[0]}", COMMANDS, 1)
        raise InputError(
            "no such command",
            expected=", ".join(COMMANDS),
            found=f".{line}",
            remedy=f"did you mean {near[0]} ?"
            if near
            else "a statement begins without a dot and ends with ;",
        )

    def emptyline(self) -> bool:
        """Refuse a dot alone, for which `cmd.Cmd` would run the last command again."""
        self.default("")
        return False

    def complete(self, text: str, state: int) -> str | None:  # type: ignore[override]
        """Return the next word that completes a text, for readline."""
        if state == 0:
            before = readline.get_line_buffer()[: readline.get_begidx()]
            self.words = self.completer.complete(self.typed + before, text)
        return self.words[state] if state < len(self.words) else None

    def _run_line(self, line: str) -> bool:
        """Run a command, or a statement that ends with this line; return whether to leave.

        Raises:
            InputError: the line or the statement is refused.
        """
        if self.typed.strip() and line.split(" ")[0].strip() in COMMANDS:
            raise InputError(
                "the statement above is not finished",
                expected="; at its end, before a command",
                found=line,
                remedy="type ; to run the statement, or Ctrl-C to delete it",
            )
        self.typed += line + "\n"
        if not is_complete(self.typed):
            return False
        text, self.typed = self.typed.strip(), ""
        if text.startswith("."):
            return bool(super().onecmd(text[1:]))
        for statement in query.split_statements(self.connection, text):
            with self.display.time():
                rows = query_until_interrupted(self.connection, statement)
            self.display.print_rows(rows)
        return False


def run_shell(connection: duckdb.DuckDBPyConnection, history_file: Path, form: str) -> None:
    """Read statements and commands from a terminal until `.quit` or the end of the input.

    Args:
        connection: from `transforms.views.query.connect_with_reports`.
        history_file: file of earlier lines; written if its folder is writable.
        form: format of rows; see `write_frame`.
    """
    writable = os.access(history_file if history_file.exists() else history_file.parent, os.W_OK)
    if writable:
        history_file.touch()
    if history_file.is_file():
        readline.read_history_file(history_file)
    readline.set_history_length(HISTORY_LINES)
    readline.set_completer_delims(" \t\n()=<>,;*+/'\"")
    typer.echo("DuckDB over the lake, read-only. .help lists the commands, .quit leaves.")
    shell = Shell(connection, form, history_file if writable else None)
    while True:
        try:
            shell.cmdloop()
            break
        except KeyboardInterrupt:
            typer.echo("")
            shell.typed = ""


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
