"""Texts that grow in columns beside each other on a terminal, or one after the other elsewhere."""

from collections.abc import Callable, Sequence

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from assets.cli.console import escape_controls


class Columns:
    """Texts by column; `changed` is called after each change, with what is new."""

    def __init__(self, titles: Sequence[str], changed: Callable[[int, str], None]) -> None:
        """Begin an empty text per title."""
        self.titles, self.changed = titles, changed
        self.texts = ["" for _ in titles]

    def write_to(self, number: int) -> Callable[[str], None]:
        """Return the function that adds to the text of a column."""

        def write(text: str) -> None:
            shown = "\n".join(map(escape_controls, text.split("\n")))
            self.texts[number] += shown
            self.changed(number, shown)

        return write

    def end(self, number: int, reason: str) -> None:
        """End the text of a column; another reason than `stop` is shown."""
        self.write_to(number)("\n" if reason == "stop" else f" [{reason}]\n")

    def build_table(self) -> Table:
        """Build the columns, each of the same width."""
        table = Table(box=None, expand=True, padding=(0, 2, 0, 0))
        for title in self.titles:
            table.add_column(Text(title, style="bold"), ratio=1, overflow="fold")
        table.add_row(*map(Text, self.texts))
        return table


def show_columns(titles: Sequence[str], write: Callable[[Columns], None]) -> None:
    """Show columns on a terminal while a function writes them; at the end all of them stay."""
    console = Console()
    with Live(console=console, transient=True, vertical_overflow="crop") as live:
        columns = Columns(titles, lambda *_: live.update(columns.build_table()))
        live.update(columns.build_table())
        write(columns)
    console.print(columns.build_table())


def print_plainly(titles: Sequence[str], write: Callable[[Columns], None]) -> None:
    """Print each text below its title while a function writes it."""
    shown: set[int] = set()

    def print_new(number: int, text: str) -> None:
        if number not in shown:
            typer.secho(titles[number], bold=True)
            shown.add(number)
        typer.echo(text, nl=False)

    write(Columns(titles, print_new))
