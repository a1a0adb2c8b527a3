"""Damaged files of every entry and format: read whole, or refused by one clear error."""

import io
import random
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.fuzz.file_cases import (
    TABLE_FORMATS,
    TEXT_FORMATS,
    Case,
    count_rows,
    draw,
    make_case,
    write_table,
    write_text,
)
from bench.fuzz.files import GOOD, judge
from transforms.sources.catalog import CATALOGUE

ROWS = [{"a": 'x "y" ,\t"', "b": 1}, {"a": "", "b": None}, {"a": "two\nlines\u2028", "b": 2}]


@settings(max_examples=60)
@given(number=st.integers(0, 10**9))
def test_a_file_is_read_whole_or_refused(number):
    case = make_case(number, seed=0, inputs=[])
    with tempfile.TemporaryDirectory() as folder:
        outcome, evidence = judge(case, Path(folder))
    assert outcome in GOOD, (case, evidence)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("f.jsonl.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x63" + b"\xff" * 40),
        ("f.parquet", b"PAR1" + b"\xff" * 40 + b"PAR1"),
        ("f.arrow", b"ARROW1" + b"\xff" * 40),
        ("f.json", b"[" * 100_000),
        ("f.jsonl", b'{"chosen": ' + b"[" * 100_000),
    ],
)
def test_broken_content_is_refused(tmp_path, name, content):
    assert judge(Case("standard_pairs", name, content, "odd", ()), tmp_path)[0] == "refused"


@pytest.mark.parametrize("ending", TABLE_FORMATS)
@pytest.mark.parametrize("name", [b"chosen", b"content"])
def test_a_column_name_that_is_no_text_is_refused(tmp_path, ending, name):
    native = CATALOGUE["standard_pairs"].native
    rows = [{column: draw(dtype, random.Random(0)) for column, dtype in native.items()}]
    content = write_table(rows, native, ending)
    broken = content.replace(name, b"\xf2" * len(name))
    case = Case("standard_pairs", f"f{ending}", broken, "odd", ())
    assert broken != content
    assert judge(case, tmp_path)[0] == "refused"


def test_metadata_that_is_no_text_is_not_read(tmp_path):
    table = pa.table({"prompt": ["a"]})
    for number, broken in enumerate(
        (
            table.replace_schema_metadata({b"\xf3": b"\xf3"}),
            table.cast(pa.schema([pa.field("prompt", "string", metadata={b"\xf3": b"a"})])),
        )
    ):
        out = io.BytesIO()
        with pa.ipc.new_stream(out, broken.schema) as stream:
            stream.write_table(broken)
        case = Case("prompt_text", "f.arrow", out.getvalue(), "odd", ())
        assert judge(case, tmp_path)[0] == ("all rows fit", "refused")[number]


@pytest.mark.parametrize("ending", TEXT_FORMATS)
def test_the_other_reader_counts_rows(tmp_path, ending):
    path = tmp_path / f"f{ending}"
    path.write_bytes(write_text(ROWS, ["a", "b"], ending))
    assert count_rows(path) == 3
