import re
import unicodedata

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.prompts.words import normalise


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't STOP", "dont stop"),
        ("don’t — stop!", "dont stop"),
        (" a\t\tb\u00a0c\u3000d\r\ne ", "a b c d e"),
        ("a_b + c", "ab c"),
        ("x² = ½ · 3", "x² ½ 3"),
        ("नमस्ते", "नमस्ते"),
        ("日本語、です。", "日 本 語 で す"),
        ("GPT-4とは", "gpt4 と は"),
        ("コーヒー", "コ ー ヒ ー"),
        ("ผมรัก", "ผ ม รั ก"),
        ("a\u200bb\x00c", "abc"),
        ("?!", ""),
        ("", ""),
    ],
)
def test_normalised(text, words):
    assert pl.select(normalise(pl.lit(text))).item() == words


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_normalised_text_holds_words_only(text):
    words = pl.select(normalise(pl.lit(text))).item()
    assert re.fullmatch(r"(\S+( \S+)*)?", words)
    # unassigned: what polars knows as a letter and this Python's Unicode does not yet
    assert all(
        unicodedata.category(c)[0] in "LMN" or c == " " or unicodedata.category(c) == "Cn"
        for c in words
    )
