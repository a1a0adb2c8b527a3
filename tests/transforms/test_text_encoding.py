"""Texts that editors of every system write, and bytes that are no text."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.text_encoding import MARKS, decode_text

TEXTS = st.text().map(lambda text: text.replace("\r", "")).filter(lambda t: "\0" not in t[:4])


@given(text=TEXTS, mark=st.sampled_from([b"", *MARKS]))
def test_a_text_is_read_with_and_without_each_mark(text, mark):
    content = mark + text.encode(MARKS.get(mark, "utf-8"))
    if not mark and text.startswith("\ufeff"):
        text = text[1:]
    assert decode_text(content) == text


def test_line_ends_of_every_system_become_newlines():
    assert decode_text(b"a\r\nb\rc\n") == "a\nb\nc\n"
    assert decode_text("a\u2028b\x85c".encode()) == "a\u2028b\x85c"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: 1".encode("utf-16-le"), "UTF-16.*iconv -f UTF-16LE"),
        ("a: 1".encode("utf-16-be"), "UTF-16"),
        ("don\u2019t".encode("windows-1252"), "0x92 after 'don'; in Windows-1252 it is \u2019"),
        (codecs.BOM_UTF16_LE + b"a\0b", "not UTF-16-LE.*after 'a'"),
    ],
)
def test_another_encoding_is_named_with_what_to_do(content, said):
    with pytest.raises(UnicodeError, match=said):
        decode_text(content)
