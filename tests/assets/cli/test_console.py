import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.cli import console
from transforms.errors import InputError

CELLS = st.one_of(
    st.text("abc é界[]/", max_size=30).map(str.strip),
    st.integers(-(10**9), 10**9),
    st.floats(-1e6, 1e6).map(lambda value: round(value, 3)),
    st.none(),
)


def print_lines(capsys, frame, **options):
    console.print_table(frame, **options)
    return capsys.readouterr().out.splitlines()


@given(
    columns=st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=12),
    width=st.integers(60, 250),
)
def test_every_cell_and_name_is_printed_at_every_width(columns, width):
    names = [f"column_{n}" for n in range(len(columns))]
    frame = pl.DataFrame(
        {name: pl.Series(values, strict=False) for name, values in zip(names, columns, strict=True)}
    )
    with pytest.MonkeyPatch.context() as patch:
        written = []
        patch.setattr("sys.stdout", type("Out", (), {
            "write": lambda _, text: written.append(text), "flush": lambda _: None,
            "isatty": lambda _: False, "encoding": "utf-8"})())  # fmt: skip
        console.print_table(frame, width=width)
    printed = "".join(written)
    for row in frame.iter_rows(named=True):
        for name, value in row.items():
            assert name in printed
            assert console._format_value(value) in printed


def test_a_wide_table_is_printed_in_parts_that_each_have_the_key_columns(capsys):
    figures = {f"figure_{n}": [1.5, 2.5] for n in range(12)}
    keys = {"experiment": ["first", "second"], "iteration": [1, 2], "model": ["m", "n"]}
    lines = print_lines(capsys, pl.DataFrame(keys | figures), width=70)
    assert max(map(len, lines)) <= 70
    headers = [line for line in lines if "figure" in line]
    assert len(headers) > 1
    assert all(line.split()[:3] == ["experiment", "iteration", "model"] for line in headers)
    assert sum(line.count("2.500") for line in lines) == 12


def test_counts_after_the_key_columns_are_not_repeated(capsys):
    keys = {"experiment": ["first", "second"], "iteration": [1, 2], "unit": ["chars", "tokens"]}
    counts = {f"count_{n}": [384, 384] for n in range(5)}
    figures = {f"figure_{n}": [1.5, 2.5] for n in range(5)}
    lines = print_lines(capsys, pl.DataFrame(keys | counts | figures), width=70)
    headers = [line.split() for line in lines if line.startswith("experiment")]
    assert len(headers) > 1
    assert all(names[:3] == [*keys] for names in headers)
    assert [name for names in headers for name in names[3:]] == [*counts, *figures]


def test_a_row_that_is_too_wide_for_a_table_is_a_block_of_lines(capsys):
    frame = pl.DataFrame({"prompt": ["p" * 90], "response": ["two\nlines"], "reward": [0.5]})
    lines = print_lines(capsys, frame, width=80)
    assert lines == [f"prompt    {'p' * 90}", "response  two\\nlines", "reward    0.500", ""]


def test_one_column_that_is_wider_than_the_line_is_printed_whole(capsys):
    lines = print_lines(capsys, pl.DataFrame({"text": ["x" * 99]}), width=60)
    assert lines[0] == "text  " + "x" * 99


def test_output_that_is_no_terminal_is_one_table(capsys):
    frame = pl.DataFrame({"a": ["x" * 300], "b": ["y" * 300], "c": [1]})
    assert len(print_lines(capsys, frame)) == 3


@pytest.mark.parametrize(
    ("value", "text"),
    [(5e-7, "5e-07"), (0.0015, "0.0015"), (0.05, "0.05"), (0.0, "0.000"), (0.4444, "0.444"),
     (12345678.5, "12345678.500"), (-2e-5, "-2e-05"), (float("nan"), "nan"), (None, ""),
     ("\x1b[31m", "\\x1b[31m")],
)  # fmt: skip
def test_a_small_number_is_not_zero_and_text_cannot_move_the_cursor(value, text):
    assert console._format_value(value) == text


def test_a_standard_error_stands_beside_its_figure(capsys):
    console.print_table(pl.DataFrame({"model": ["m"], "reward": [1.0], "reward_se": [0.0251]}))
    printed = capsys.readouterr().out
    assert "1.000 ± 0.025" in printed
    assert "reward_se" not in printed


def test_an_interval_stands_beside_its_figure_and_a_null_beside_nothing(capsys):
    rows = {"model": ["[/m]", "n"], "reward": [1.0, None], "reward_se": [0.25, None],
            "reward_low": [0.5, None], "reward_high": [1.5, None]}  # fmt: skip
    console.print_table(pl.DataFrame(rows))
    printed = capsys.readouterr().out
    assert "1.000 ± 0.250 [0.500, 1.500]" in printed
    assert "[/m]" in printed  # text of a table is no markup
    assert "low" not in printed


def test_no_rows_print_the_columns(capsys):
    console.print_table(pl.DataFrame(schema={"source": pl.String, "reward_model": pl.Int64}))
    printed = capsys.readouterr().out
    assert "source" in printed
    assert "reward_model" in printed
    assert "(0 rows)" in printed


def test_an_error_is_wrapped_at_spaces_and_its_remedy_is_one_line():
    error = InputError(
        "no model has the name x",
        expected="the first digits of a checkpoint_id, or ASSET",
        found="x",
        remedy='prefloop sql "select asset, experiment from checkpoints"',
    )
    assert console.wrap_message(str(error), 40).splitlines() == [
        "no model has the name x",
        "  expected: the first digits of a",
        "            checkpoint_id, or ASSET",
        "  found:    x",
        '  to do:    prefloop sql "select asset, experiment from checkpoints"',
    ]
