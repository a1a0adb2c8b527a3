import polars as pl

from assets.cli import console


def test_a_wide_table_is_printed_in_parts_that_each_name_their_rows(capsys, monkeypatch):
    monkeypatch.setattr(console, "PIPED_WIDTH", 60)
    columns = {f"figure_{n}": [1.5, 2.5] for n in range(12)}
    console.print_table(pl.DataFrame({"source": ["first", "second"], **columns}))
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 60
    assert printed.count("second") == printed.count("source") > 1
    assert printed.count("2.500") == 12


def test_a_standard_error_stands_beside_its_figure(capsys):
    console.print_table(pl.DataFrame({"model": ["m"], "reward": [1.0], "reward_se": [0.25]}))
    printed = capsys.readouterr().out
    assert "1.000 ± 0.250" in printed
    assert "reward se" not in printed


def test_an_interval_stands_beside_its_figure_and_a_null_beside_nothing(capsys):
    rows = {"model": ["[/m]", "n"], "reward": [1.0, None], "reward_se": [0.25, None],
            "reward_low": [0.5, None], "reward_high": [1.5, None]}  # fmt: skip
    console.print_table(pl.DataFrame(rows))
    printed = capsys.readouterr().out
    assert "1.000 ± 0.250 [0.500, 1.500]" in printed
    assert "[/m]" in printed  # text of a table is no markup
    assert "low" not in printed


def test_no_rows_print_the_columns(capsys):
    console.print_table(pl.DataFrame(schema={"source": pl.String, "pairs": pl.Int64}))
    assert "source" in capsys.readouterr().out
