"""Commands of the shell, which begin with a dot: their help, and the words that may follow them."""

from collections.abc import Mapping, Sequence

from assets.cli.sql_shell.completion import NAMES
from assets.cli.sql_shell.display import CELL_CHARS, FORMS, PAGED_ROWS, SHOWN_ROWS
from transforms.errors import InputError

HELP = f"""\
Type a query of DuckDB over one or more lines and end it with ;  Queries cannot write to the lake.
.tables            list tables with their rows, views and reports: the meaning of a row of each
.schema NAME       show the columns of a table, view or report: type, unit, meaning
.reports           show the content of each report
.mode FORMAT       show rows as {", ".join(FORMS)} (one line per value, nothing cut)
.pager on|off      show what is wider or longer than the terminal with $PAGER, or less (q leaves it)
.timer on|off      print the time of each statement
.help  .quit       show this text; leave (also Ctrl-D). Tab completes names and keywords.
Ctrl-C stops a query, and deletes what is typed. Tables show {SHOWN_ROWS} rows ({PAGED_ROWS} in the
pager) and {CELL_CHARS} characters per cell. For all of them: prefloop sql --format csv "..." """

COMMANDS: Mapping[str, Sequence[str]] = {
    ".tables": (),
    ".schema": NAMES,
    ".reports": (),
    ".mode": FORMS,
    ".pager": ("on", "off"),
    ".timer": ("on", "off"),
    ".help": (),
    ".quit": (),
    ".exit": (),
}
"""Commands with the words that may follow each."""


def require_word(command: str, word: str) -> str:
    """Return the word after a command.

    Raises:
        InputError: it is none of the words that may follow.
    """
    if word not in COMMANDS[command]:
        raise InputError(
            f"{command} needs another word",
            expected=f"{command} {'|'.join(COMMANDS[command])}",
            found=word or "none",
            remedy=".help describes the commands",
        )
    return word
