"""Texts without a visible character: one definition, in Python and in SQL."""

import sys

import polars as pl
import pytest

from transforms.lake.lake import Lake
from transforms.sources.layouts.blank_text import is_blank
from transforms.views.query import connect, query

BLANK = [
    "",
    " \n\t",
    "\u200b",
    "\ufeff",
    "\u00ad",
    "\u2060\u00a0",
    "\u3164",
    "\u2800",
    "\ufe0f",
    None,
]
SEEN = ["a", "\u200ba\u200b", ".", "\U0001f600", "\ue000", "\u0301", "\u0378", "\ufffd"]


@pytest.mark.parametrize(("texts", "blank"), [(BLANK, True), (SEEN, False)])
def test_a_text_is_blank_if_nothing_can_be_seen(texts, blank):
    frame = pl.DataFrame({"t": texts}, schema={"t": pl.String})
    assert set(frame.select(is_blank(pl.col("t"))).to_series()) == {blank}


def test_sql_and_python_agree_on_every_character(tmp_path):
    characters = [chr(n) for n in range(sys.maxunicode + 1) if not 0xD800 <= n < 0xE000]
    texts = pl.DataFrame({"text": characters})
    with connect(Lake(tmp_path)) as connection:
        connection.register("texts", texts.to_arrow())
        blank = query(connection, "select text, is_blank(text) as blank from texts")
        nothing = query(connection, "select is_blank(null) as blank")
    expected = texts.with_columns(blank=is_blank(pl.col("text")))
    different = blank.filter(blank["blank"] != expected["blank"])
    assert different.height == 0, [hex(ord(text)) for text in different["text"]]
    assert nothing.item() is True
