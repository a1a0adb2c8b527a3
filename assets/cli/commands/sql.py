"""The command `prefloop sql`: one query, a file of statements, or a shell."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from assets.cli.files import read_text
from assets.cli.options import QUICKSTART_HOME, LakeHome, exit_on_bad_input
from assets.home import open_lake
from transforms.errors import InputError

if TYPE_CHECKING:
    from transforms.lake.lake import Lake

Form = Literal["table", "lines", "csv", "json", "parquet"]

EXAMPLES = """
Examples:

\b
prefloop sql                               # a shell; .help lists its commands
prefloop sql "from iteration_progress"     # a report is also a view
prefloop sql "select avg(reward) from scores group by experiment"
prefloop sql "from table_history where rows_removed > 0"
prefloop sql --as-of 2026-11-21T10:30 "from selected_policies"
prefloop sql --as-of scores@3 --as-of dpo_pairs@2 "from response_lengths"
prefloop sql asked.sql --format parquet --output answer.parquet
"""


def sql(
    query: Annotated[
        str | None,
        typer.Argument(help="A query, or the path of a .sql file. Without it, a shell."),
    ] = None,
    home: LakeHome = QUICKSTART_HOME,
    as_of: Annotated[
        list[str] | None,
        typer.Option(
            help="Read the lake at an ISO 8601 time (UTC without an offset; a date is its "
            "midnight), or a table at table@version. A table that did not exist then is "
            "empty. Repeat for several tables."
        ),
    ] = None,
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            help="Format of the rows; lines: one line per value; parquet needs --output.",
        ),
    ] = "table",
    output: Annotated[
        Path | None, typer.Option(help="File for the rows, outside the lake.")
    ] = None,
) -> None:
    """Query the lake with DuckDB, read-only and offline. Reports and `table_history` are views."""
    from assets.cli.output import write_frame
    from assets.cli.sql_shell.interruption import query_until_interrupted
    from assets.cli.sql_shell.shell import run_shell
    from transforms.lake import history
    from transforms.views import query as queries

    with exit_on_bad_input():
        lake = open_lake(home)
        _require_writable(lake, form, output)
        versions = history.find_versions(lake, as_of or [])
        text = None if query is None and sys.stdin.isatty() else _read_text(query)
        with queries.connect_with_reports(lake, versions, text) as connection:
            if text is None:
                run_shell(connection, history_file=_find_history(lake), form=form)
                return
            texts = queries.split_statements(connection, text)
            if not texts:
                raise InputError(
                    "there is no query",
                    expected="a statement of SQL",
                    found="an empty text, or comments only",
                    remedy='write one, such as prefloop sql "show tables"; without the argument, '
                    "a shell starts",
                )
            if (form not in ("table", "lines") or output) and len(texts) != 1:
                raise InputError(
                    f"{output or form} can contain the rows of one query only",
                    expected="one statement",
                    found=f"{len(texts)} statements",
                    remedy="run them one by one, or print them as tables",
                )
            for text in texts:
                write_frame(query_until_interrupted(connection, text), form, output)


def _find_history(lake: "Lake") -> Path:
    """Return the file of typed queries: beside a local lake, else with the lake's local files."""
    work = lake.store.work
    return (work.parent if lake.root == work else work) / ".sql_history"


def _read_text(query: str | None) -> str:
    """Return the statements from the command line, a file, or standard input."""
    if query is None:
        return sys.stdin.read()
    if not query.endswith(".sql"):
        return query
    return read_text(Path(query), "a file of SQL statements")


def _require_writable(lake: "Lake", form: Form, output: Path | None) -> None:
    """Refuse parquet without a file, and a file inside the lake."""
    if output is None and form == "parquet":
        raise InputError(
            "parquet cannot be printed on a terminal",
            expected="--output FILE",
            found="no --output",
            remedy="add --output, or choose another --format",
        )
    if output is not None and output.resolve().is_relative_to(lake.store.work):
        raise InputError(
            "the lake is read-only for `prefloop sql`",
            expected=f"a file outside {lake.root}",
            found=str(output),
            remedy="choose another --output",
        )
