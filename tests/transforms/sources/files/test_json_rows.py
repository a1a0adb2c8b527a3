"""JSON lines against declared columns: what fits, what does not, and why."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.sources.files.blocks import Block
from transforms.sources.files.json_rows import decode_lines

NATIVE = {
    "text": pl.String,
    "n": pl.Int64,
    "score": pl.Float64,
    "turns": pl.List(pl.Struct({"role": pl.String, "content": pl.String})),
}
FITTING = (
    b'{"text": "a", "n": 1, "score": 1, "turns": [{"role": "user", "content": "q"}]}',
    b'{"text": "\\u00e9\\ud83d\\ude00", "other": {"n": "x"}}',
    b'{"turns": [null, {"role": "user"}, {"content": "c", "more": 1}]}',
    b'{"score": NaN}',
    b"{}",
    b'{"text": null}',
    b'  {"text": "nul\\u0000"}\r',
    b'{"text": "b", "other": ' + b"[" * 3_000 + b"]" * 3_000 + b"}",
)
MISFITS = {
    b"null": "object",
    b"5": "object",
    b"[1]": "object",
    b'{"text": 5}': "Expected `str | null`, got `int` - at `$.text`",
    b'{"n": "7"}': "Expected `int | null`, got `str` - at `$.n`",
    b'{"n": 1.5}': "float",
    b'{"n": 100000000000000000000}': "int",
    b'{"turns": [{"role": "user", "content": 3}]}': "$.turns[0].content",
    b'{"text": "a", "text": "b"}': "specified twice",
    b'{"text": "a"': "comma",
    b'{"text": "a"} {"text": "b"}': "2 objects",
    b'{"text": "tab\there"}': "Invalid encoding in string",
    b'{"text": "\\ud800"}': "surrogate",
    b'{"text": "\xff\xfe"}': "UTF",
    b'{"text": "a", "other": ' + b"[" * 3_000: "",
}


def block(*lines, first_line=1):
    return Block(b"\n".join(lines) + b"\n", 0, first_line, len(lines), cut=False)


@pytest.mark.parametrize(("line", "said"), MISFITS.items())
def test_a_line_that_does_not_fit_says_why(line, said):
    for lines in ([line], [line, FITTING[0]], [FITTING[0], line]):
        rows, misfits = decode_lines(block(*lines), NATIVE)
        assert rows.height == len(lines) - 1
        assert misfits["row"].to_list() == [lines.index(line) + 1]
        assert said.lower() in misfits["evidence"][0].lower()


def test_values_arrive_as_declared():
    rows, misfits = decode_lines(block(*FITTING, b"", first_line=11), NATIVE)
    assert misfits.is_empty()
    assert rows.schema == pl.Schema({**NATIVE, "row": pl.Int64})
    assert rows["row"].to_list() == list(range(11, 19))
    assert rows["text"].to_list() == ["a", "é😀", None, None, None, None, "nul\x00", "b"]
    assert rows["turns"][2].to_list() == [
        None,
        {"role": "user", "content": None},
        {"role": None, "content": "c"},
    ]


@pytest.mark.parametrize(
    "lines",
    [
        [b'{"text": "a"} {"text": "b"}', b""],
        [b'{"text": "a"} {"text": "b"}', b'{"text":', b'"c"}'],
        [b'{"text": "a"} {"text": "b"}', b'{"text": "c", "turns": [', b"]}"],
    ],
)
def test_two_objects_in_a_line_do_not_make_up_for_a_line_without_one(lines):
    rows, malformed = decode_lines(block(*lines), NATIVE)
    assert rows.is_empty()
    assert malformed["row"].to_list() == [n for n, line in enumerate(lines, 1) if line]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*FITTING, *MISFITS, b"", b" "]), min_size=1, max_size=12))
def test_no_line_hangs_on_its_neighbours(lines):
    together = decode_lines(block(*lines), NATIVE)
    alone = [decode_lines(block(line, first_line=n), NATIVE) for n, line in enumerate(lines, 1)]
    for found, each in zip(together, zip(*alone, strict=True), strict=True):
        assert found.sort("row").equals(pl.concat(each))
    assert sum(map(len, together)) == sum(bool(line.strip()) for line in lines)
