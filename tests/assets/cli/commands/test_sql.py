"""`prefloop sql` on a small lake, through the command line and through a terminal."""

import fcntl
import io
import os
import pty
import re
import subprocess
import sys
import termios
import time
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from assets.cli.sql_shell.schema import print_schema, print_tables
from assets.cli.sql_shell.shell import is_complete
from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas import TABLES, schema_of
from transforms.lake.schemas.records import COMPUTED
from transforms.views.query import connect_with_reports, query

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scores 1.0, then 2.0; and a prompt."""
    home = tmp_path_factory.mktemp("study")
    lake = Lake(home / "lake")
    for reward in (1.0, 2.0):
        row = {"experiment": "a", "iteration": 1, "prompt_id": "p", "reward": reward}
        rows = pl.DataFrame([row], schema=schema_of("scores"))
        lake.overwrite("scores", rows, experiment="a", iteration=1)
    prompt = {"prompt_id": "p", "prompt": [{"role": "user", "content": 'say "hi", please'}]}
    lake.append("prompts", pl.DataFrame([prompt], schema=schema_of("prompts")))
    return home


def sql(home: Path, *words: str, typed: str | None = None):
    command = ["sql", *words, "--home", str(home)]
    return CliRunner().invoke(app, command, input=typed, catch_exceptions=False)


@pytest.mark.parametrize("text", ["", " ; ", "/* nothing yet */"])
def test_a_text_without_a_statement_is_refused(home, text):
    for words, typed in ([text], None), ([], text):
        refused = sql(home, *words, typed=typed)
        assert refused.exit_code == 2
        assert "expected: a statement" in refused.stderr


def test_rows_are_printed_as_a_table_csv_or_json(home):
    asked = "select prompt_id, prompt, 1::hugeint as n from prompts"
    assert 'say "hi"' in sql(home, asked).stdout
    found = pl.read_csv(io.StringIO(sql(home, asked, "--format", "csv").stdout))
    assert found["prompt"].str.json_decode(schema_of("prompts")["prompt"]).to_list() == [
        [{"role": "user", "content": 'say "hi", please'}]
    ]
    assert pl.read_json(io.StringIO(sql(home, asked, "--format", "json").stdout)).to_dicts() == [
        {"prompt_id": "p", "prompt": [{"role": "user", "content": 'say "hi", please'}], "n": 1.0}
    ]


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_every_type_can_be_printed(home, form):
    asked = (
        "select interval 1 day as i, 'a'::blob as b, uuid() as u, 1.5::decimal(4, 2) as d, "
        "'nan'::float as f, map {'a': 1} as m, date '2026-01-01' as dt, time '10:00' as t, "
        "now() as n, null as none, 'é' as e"
    )
    printed = sql(home, asked, "--format", form)
    assert printed.exit_code == 0
    assert "1 day" in printed.stdout
    assert "é" in printed.stdout


@pytest.mark.parametrize("form", ["table", "csv", "json", "parquet"])
def test_rows_are_written_to_a_file_outside_the_lake(home, tmp_path, form):
    inside = sql(home, "from scores", "--format", form, "--output", str(home / "lake" / "x"))
    assert inside.exit_code == 2
    assert "read-only" in inside.stderr
    assert not (home / "lake" / "x").exists()
    file = tmp_path / f"scores.{form}"
    written = sql(home, "from scores", "--format", form, "--output", str(file))
    assert (written.exit_code, written.stdout) == (0, "")
    readers = {"csv": pl.read_csv, "json": pl.read_json, "parquet": pl.read_parquet}
    if form in readers:
        assert readers[form](file)["reward"].to_list() == [2.0]
    else:
        assert "2.000" in file.read_text()


def test_parquet_needs_a_file_and_a_file_one_statement(home):
    assert "--output FILE" in sql(home, "from scores", "--format", "parquet").stderr
    assert "2 statements" in sql(home, "select 1; select 2", "--format", "csv").stderr


def test_a_file_of_statements_and_what_is_piped_in_are_run(home, tmp_path):
    file = tmp_path / "asked.sql"
    file.write_text("select 1 as first; select 2 as second;")
    for printed in (sql(home, str(file)).stdout, sql(home, typed=file.read_text()).stdout):
        assert "first" in printed
        assert "second" in printed
    missing = sql(home, str(tmp_path / "missing.sql"))
    assert (missing.exit_code, "no such file" in missing.stderr) == (2, True)


def test_as_of_reads_an_earlier_lake(home):
    asked = ["select reward from scores", "--format", "csv", "--as-of"]
    assert sql(home, *asked, "scores@0").stdout == "reward\n1.0\n"
    assert sql(home, *asked, "2001-01-01").stdout == "reward\n"
    assert sql(home, *asked, "never").exit_code == 2


def test_a_file_that_cannot_be_read_or_written_is_refused(home, tmp_path):
    latin = tmp_path / "latin.sql"
    latin.write_bytes(b"select '\xe9'")
    assert "save the file as UTF-8" in sql(home, str(latin)).stderr
    (tmp_path / "folder.sql").mkdir()
    assert "Is a directory" in sql(home, str(tmp_path / "folder.sql")).stderr
    for form in ("table", "csv", "json", "parquet"):
        for file in (tmp_path, tmp_path / "missing" / "file"):
            refused = sql(home, "select 1", "--format", form, "--output", str(file))
            assert (refused.exit_code, "cannot be written" in refused.stderr) == (2, True)


def test_the_name_of_a_column_is_no_markup(home):
    assert "[/b] [red]" in sql(home, 'select 1 as "[/b] [red]"').stdout


@pytest.mark.parametrize(
    ("typed", "complete"),
    [
        ("select 1;", True),
        ("select 1; -- why", True),
        ("select 1; /* why; */ ", True),
        ("select 'é;';", True),
        (".schema scores", True),
        ("", True),
        ("select 1", False),
        ("select 1 -- not yet;", False),
        ("select 1 /* not yet;", False),
        ("-- not yet;", False),
        ("select 'é;", False),
        ('select "a;', False),
        ("select $$a;", False),
    ],
)
def test_a_statement_ends_at_a_semicolon_outside_quotes_and_comments(typed, complete):
    assert is_complete(typed) == complete


def test_ctrl_c_stops_a_query_and_not_the_shell(home):
    """Lines are in the history before the end; Tab completes."""
    ours, process = _open_shell(home)
    _read_until(ours, b"prefloop> ")
    os.write(ours, b"select 7 as seven;\n")
    _read_until(ours, b"(1 rows)")
    assert "select 7 as seven;" in (home / ".sql_history").read_text()
    os.write(ours, b"select max(rewa\t) + 40 as sum from scores;\n")
    _read_until(ours, b"42.000")
    os.write(ours, b"select count(*) from range(100000000000), range(10000);\n")
    _read_until(ours, b"range(10000);")
    time.sleep(1)  # the terminal has shown the line; now the query runs
    os.write(ours, b"\x03")
    _read_until(ours, b"prefloop> ")
    os.write(ours, b"select 6 * 7 as product;\n.quit\n")
    assert "42" in _read_all(ours)
    assert process.wait(30) == 0


def test_nothing_is_written_and_nothing_outside_is_read(home, tmp_path):
    for statement in (f"copy scores to '{tmp_path}/x.csv'", "from read_csv('/etc/passwd')"):
        refused = sql(home, statement)
        assert (refused.exit_code, refused.stdout) == (2, "")
    assert not list(tmp_path.iterdir())


def test_schema_shows_grains_columns_and_the_comments_of_views(home, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with connect_with_reports(Lake(home / "lake")) as connection:
        print_tables(connection)
        grains = capsys.readouterr().out
        print_schema(connection, "scores")
        columns = capsys.readouterr().out
        print_schema(connection, "scored_responses")
        view = capsys.readouterr().out
        print_schema(connection, "prompts")
        nested = capsys.readouterr().out
        with pytest.raises(InputError, match="nothing"):
            print_schema(connection, "nothing")
    assert all(name in grains for name in TABLES)
    assert re.search(r"scores +1 +One row per response and ranker", grains)
    assert re.search(r"generations +0 +One row per sampled response", grains)
    assert re.search(r"scored_responses +One row per response", grains)
    assert TABLES["scores"].grain in columns
    assert "reward units" in columns
    assert "hash of the prompt's messages" in columns
    assert "One row per response and ranker" in view
    assert "prompt[1].content" in nested
    assert max(map(len, (grains + columns + view + nested).splitlines())) <= 80


def test_every_table_is_printed_within_80_columns(home, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with connect_with_reports(Lake(home / "lake")) as connection:
        for name in query(connection, "select name from (show tables)")["name"]:
            print_schema(connection, name)
            printed = capsys.readouterr().out
            assert max(map(len, printed.splitlines())) <= 80, name
            table = TABLES.get(name) or COMPUTED.get(name)
            for column, described in table.columns.items() if table else ():
                whole = f"{column} {described.unit or ''} {described.meaning}"
                assert [word for word in whole.split() if word not in printed] == [], name


def test_the_prompt_answers_over_several_lines_and_survives_errors(home):
    typed = [
        ".help", ".tables", ".schema scores", ".schema", ".reports", ".tabels", ".",
        "select reward", ".timer on", "  from scores;", ".timer on", ".mode lines", "from scores;",
        ".mode x", ".mode table", "from range(30);", "explain from scores;", ".pager off",
        "drop view scores;", "select ';", "' as x;", ".quit",
    ]  # fmt: skip
    ours, process = _open_shell(home)
    os.write(ours, "".join(f"{line}\n" for line in typed).encode())
    printed = _read_all(ours)
    assert process.wait(30) == 0
    for expected in (
        "Ctrl-D",
        "reward_bench_results",
        "DOUBLE",
        "One row per response and ranker.",
        "Computed when they are read",
        "One row per checkpoint",
        "no such command",
        "did you mean .tables ?",
        "the statement above is not finished",
        "2.000",
        "reward          2.000",
        ".mode table|lines|csv|json",
        "paged:    28",
        "paged: (30 rows)",
        "Python Arrow Scan",
        "a statement of kind DROP",
    ):
        assert expected in printed
    assert re.search(r"\d\.\d{3} s\r\n", printed)
    assert "  from scores;" in (home / ".sql_history").read_text()


def _open_shell(home: Path) -> tuple[int, subprocess.Popen]:
    """Start the shell in a terminal of its own, whose Ctrl-C reaches it; return our side."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", "from assets.cli.app import app; app()", "sql", "--home", str(home)],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "PAGER": "sed 's/^/paged: /'"},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    return ours, process


def _read_until(terminal: int, words: bytes) -> None:
    read = b""
    while words not in read:
        read += os.read(terminal, 65536)


def _read_all(terminal: int) -> str:
    """Read a terminal until the process on its other side has closed it."""
    with os.fdopen(terminal, "rb", buffering=0) as stream:
        read = b""
        try:
            while block := stream.read(65536):
                read += block
        except OSError:  # how Linux tells a terminal's end
            pass
    return read.decode()
