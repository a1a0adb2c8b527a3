import polars as pl
import pytest

from assets.cli.sql_shell import display
from assets.cli.sql_shell.display import Display, fits_terminal


@pytest.fixture(autouse=True)
def _size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "10")


@pytest.mark.parametrize(
    ("text", "wraps", "fits"),
    [
        ("a\n" * 9, False, True),
        ("a\n" * 10, False, False),
        ("a" * 41, False, False),
        ("a" * 41, True, True),
        ("a" * 40 * 10, True, False),
        ("字" * 21, False, False),
        ("", False, True),
    ],
)
def test_a_text_fits_or_not(text, wraps, fits):
    assert fits_terminal(text, wraps=wraps) == fits


def test_a_wide_table_goes_to_the_pager_in_one_piece(monkeypatch):
    shown = []
    monkeypatch.setattr(display.pydoc, "pager", shown.append)
    for stream in ("stdin", "stdout"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    rows = pl.DataFrame({f"column_{n}": [n] for n in range(9)})
    Display().print_rows(rows)
    (text,) = shown
    assert len(text.splitlines()) == 4  # head, line, row, count
    assert "column_8" in text.splitlines()[0]


@pytest.mark.parametrize("form", ["table", "lines", "csv", "json"])
def test_output_to_a_file_is_not_paged(form, monkeypatch, capsys):
    monkeypatch.setattr(display.pydoc, "pager", None)
    Display(form).print_rows(pl.DataFrame({"text": ["é" * 100], "number": [1.5]}))
    printed = capsys.readouterr().out
    assert ("é" * 100 in printed) == (form != "table")
    assert "1.5" in printed


def test_a_plan_is_printed_whole(capsys):
    plan = "│ a │\n" * 200
    Display().print_rows(pl.DataFrame({"explain_key": ["p"], "explain_value": [plan]}))
    assert capsys.readouterr().out == plan + "\n"
