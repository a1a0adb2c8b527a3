"""Tables with types of their own, or of none, made to fit declared columns."""

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.sources.files.tabular import CSV_ROWS, conform, read_csv

NATIVE = {"text": pl.String, "n": pl.Int64, "score": pl.Float64}


def csv_file(tmp_path, content):
    path = tmp_path / "rows.csv"
    path.write_text(content, encoding="utf-8", newline="")
    return path


def read(path, native=NATIVE, optional=()):
    batches = list(read_csv(path, native, optional))
    return pl.concat([rows for rows, _ in batches]), pl.concat([bad for _, bad in batches])


def test_a_record_of_too_few_or_too_many_fields_says_so(tmp_path):
    rows, bad = read(csv_file(tmp_path, "text,n,score\na,1,2\nb,1\nc,1,2,3\nd,x,1\n\ne,,\n"))
    assert rows.rows() == [("a", 1, 2.0, 1), ("e", None, None, 5)]
    assert bad["row"].to_list() == [2, 3, 4]
    assert bad["evidence"][0] == "2 fields for 3 columns"
    assert bad["evidence"][1] == "4 fields for 3 columns"
    assert "$.n" in bad["evidence"][2]


def test_a_turn_of_two_hundred_kilobytes_is_read(tmp_path):
    long = "x" * 200_000
    rows, _ = read(csv_file(tmp_path, f"score,text,n\n1,{long},2\n"))
    assert rows["text"].to_list() == [long]


def test_a_long_file_comes_in_batches_with_rows_numbered_through(tmp_path):
    count = CSV_ROWS + 2
    path = csv_file(tmp_path, "text,n,score\n" + "a,1,1\n" * count)
    assert [rows.height for rows, _ in read_csv(path, NATIVE, ())] == [CSV_ROWS, 2]
    assert read(path)[0]["row"].to_list() == list(range(1, count + 1))


def test_an_open_quote_names_the_line_where_its_record_begins(tmp_path):
    path = csv_file(tmp_path, 'text,n,score\na,1,1\n"b\nc,1,1\n')
    with pytest.raises(InputError, match=r"rows.csv.*\n.*\n.*begins in line 3: unexpected end"):
        read(path)


def test_columns_that_do_not_fit_are_all_named():
    found = pl.DataFrame({"text": [1], "score": [1]})
    with pytest.raises(InputError, match="text: Int64, not String; n: missing, not Int64"):
        conform(found, NATIVE, (), "source s")
    fitting = conform(found.with_columns(text=pl.lit("a")), NATIVE, ("n",), "source s")
    assert fitting.rows() == [("a", None, 1.0)]
    assert fitting.schema == pl.Schema(NATIVE)


SCORES = pl.List(pl.Struct({"score": pl.Float64}))


@pytest.mark.parametrize(
    "dtype", [pl.Decimal(10, 1), pl.UInt64, pl.UInt8, pl.Int16, pl.Float16, pl.Float32, pl.Int128]
)
def test_every_number_fits_a_score_also_inside_a_struct(dtype):
    found = pl.DataFrame({"s": [3, None]}, schema={"s": dtype})
    nested = found.select(x=pl.concat_list(pl.struct(score="s")))
    assert conform(found, {"s": pl.Float64}, (), "s").rows() == [(3.0,), (None,)]
    assert conform(nested, {"x": SCORES}, (), "s")["x"][0].to_list() == [{"score": 3.0}]


@pytest.mark.parametrize("dtype", [pl.Decimal(10, 0), pl.UInt64, pl.UInt32, pl.Int64, pl.Int8])
@pytest.mark.parametrize("declared", [pl.Int32, pl.Int64])
def test_every_whole_number_fits_an_integer(dtype, declared):
    found = pl.DataFrame({"n": [3, None]}, schema={"n": dtype})
    assert conform(found, {"n": declared}, (), "s").rows() == [(3,), (None,)]


@pytest.mark.parametrize(
    "dtype", [pl.Decimal(10, 1), pl.Float16, pl.Float64, pl.String, pl.Boolean]
)
def test_a_fraction_a_text_and_a_boolean_do_not_fit_an_integer(dtype):
    with pytest.raises(InputError, match=r"n: .*, not Int64"):
        conform(pl.DataFrame(schema={"n": dtype}), {"n": pl.Int64}, (), "s")


def test_a_number_too_large_for_the_declared_type_is_refused():
    found = pl.DataFrame({"n": [1, 2**64 - 1]}, schema={"n": pl.UInt64})
    with pytest.raises(InputError, match=r"(?s)source s has a number .*18446744073709551615"):
        conform(found, {"n": pl.Int64}, (), "source s")
