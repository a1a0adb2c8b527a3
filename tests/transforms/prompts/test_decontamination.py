import re
import unicodedata

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.lake.schemas import schema_of
from transforms.prompts import decontamination
from transforms.prompts.decontamination import CONTAMINATED, find_contaminated, normalise
from transforms.settings.prompts import DecontaminationSettings

THIRTEEN = "one two three four five six seven eight nine ten eleven twelve thirteen"


def prompts(*texts):
    ids = [f"p{number}" for number in range(len(texts))]
    schema = {"prompt_id": pl.String, "text": pl.String}
    return pl.DataFrame({"prompt_id": ids, "text": texts}, schema=schema)


def items(*texts, evaluation_set="set"):
    rows = [(evaluation_set, f"i{number}", text) for number, text in enumerate(texts)]
    return pl.DataFrame(rows, schema=schema_of("evaluation_texts"), orient="row")


def spans(prompt_texts, item_texts, ngram_words=13):
    found = find_contaminated(
        prompts(*prompt_texts),
        items(*item_texts),
        DecontaminationSettings(ngram_words=ngram_words),
    )
    assert dict(found.schema) == CONTAMINATED
    return found.select("prompt_id", "item", "span").rows()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't STOP", "dont stop"),
        ("don’t — stop!", "dont stop"),
        (" a\t\tb\u00a0c\u3000d\r\ne ", "a b c d e"),
        ("a_b + c", "ab c"),
        ("x² = ½ · 3", "x² ½ 3"),
        ("नमस्ते", "नमस्ते"),
        ("日本語、です。", "日本語です"),
        ("a\u200bb\x00c", "abc"),
        ("?!", ""),
        ("", ""),
    ],
)
def test_normalised(text, words):
    assert pl.select(normalise(pl.lit(text))).item() == words


@pytest.mark.parametrize(
    ("prompt", "item"),
    [
        (f"before {THIRTEEN} after", f"other {THIRTEEN}, end."),
        (THIRTEEN, THIRTEEN.upper().replace(" ", ",\n")),
    ],
)
def test_thirteen_words_in_a_row_are_shared(prompt, item):
    assert spans([prompt], [item.replace(",", ", ")]) == [("p0", "i0", THIRTEEN)]


def test_twelve_are_not_enough_unless_a_recipe_says_so():
    twelve = THIRTEEN.rsplit(" ", 1)[0]
    assert spans([f"a {twelve} b"], [f"c {twelve} d"]) == []
    assert spans([f"a {twelve} b"], [f"c {twelve} d"], ngram_words=12) == [("p0", "i0", twelve)]
    # the thirteenth word stands in another place
    assert spans([f"{twelve} x thirteen"], [THIRTEEN]) == []


def test_no_run_crosses_from_one_text_to_the_next():
    half, rest = THIRTEEN.split(" seven ")
    assert spans([f"{half} seven", rest], [THIRTEEN]) == []
    assert spans([THIRTEEN], [f"{half} seven", rest]) == []


@pytest.mark.parametrize(
    ("prompt", "item", "matches"),
    [
        ("What is Atlantis?", "what is atlantis", True),
        ("What is Atlantis? Tell me.", "what is atlantis", False),
        ("what is", "what is atlantis", False),
        ("請問今天天氣如何？", "請問今天天氣如何", True),
        ("?", "!", False),
        ("", "", False),
    ],
)
def test_a_short_text_matches_as_a_whole_only(prompt, item, matches):
    assert bool(spans([prompt], [item])) is matches


def test_spans_are_merged_and_the_longest_is_the_evidence():
    longer = f"{THIRTEEN} fourteen fifteen"
    once = f"{THIRTEEN} x {longer}"
    assert spans([once], [f"{longer} y {THIRTEEN}"]) == [("p0", "i0", longer)]
    twice = " ".join([THIRTEEN] * 2)
    assert spans([twice], [twice]) == [("p0", "i0", twice)]


def test_one_row_per_prompt_and_item_in_order():
    both = pl.concat([items(THIRTEEN, "short text"), items(THIRTEEN, evaluation_set="another")])
    asked = prompts(THIRTEEN, "harmless", f"{THIRTEEN} again", "Short text!")
    found = find_contaminated(asked.reverse(), both, DecontaminationSettings())
    assert found.select("prompt_id", "evaluation_set", "item").rows() == [
        ("p0", "another", "i0"),
        ("p0", "set", "i0"),
        ("p2", "another", "i0"),
        ("p2", "set", "i0"),
        ("p3", "set", "i1"),
    ]


def test_a_hash_collision_drops_no_prompt(monkeypatch):
    def all_equal(codes, size):
        return np.zeros(max(len(codes) - size + 1, 0), np.uint64)

    monkeypatch.setattr(decontamination, "hash_windows", all_equal)
    other = " ".join(reversed(THIRTEEN.split()))
    assert spans([other, THIRTEEN], [THIRTEEN]) == [("p1", "i0", THIRTEEN)]


def test_parts_change_nothing(monkeypatch):
    texts = [f"{number} {THIRTEEN} {number}" for number in range(30)]
    whole = spans(texts, texts)
    monkeypatch.setattr(decontamination, "PART_CHARS", 150)
    monkeypatch.setattr(decontamination, "PART_MATCHES", 20)
    assert spans(texts, texts) == whole
    assert len(whole) == 900


@pytest.mark.parametrize(("asked", "screened"), [([], [THIRTEEN]), ([THIRTEEN], []), ([], [])])
def test_nothing_to_compare(asked, screened):
    assert spans(asked, screened) == []


def longest_shared_runs(prompt, item, n):
    """Longest shared runs of words, by brute force."""
    one, other = (text.split() for text in (prompt, item))
    if len(one) < n or len(other) < n:
        return {prompt} if one == other and one else set()
    runs = {}
    for i in range(len(one)):
        for j in range(len(other)):
            length = 0
            while i + length < len(one) and j + length < len(other):
                if one[i + length] != other[j + length]:
                    break
                length += 1
            if length >= n:
                runs.setdefault(length, set()).add(" ".join(one[i : i + length]))
    return runs[max(runs)] if runs else set()


WORDS = st.lists(st.sampled_from("ab"), max_size=14).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(WORDS, max_size=4), st.lists(WORDS, max_size=4))
def test_search_agrees_with_brute_force(asked, screened):
    found = {(prompt, item): span for prompt, item, span in spans(asked, screened, ngram_words=8)}
    for i, prompt in enumerate(asked):
        for j, item in enumerate(screened):
            expected = longest_shared_runs(prompt, item, 8)
            span = found.pop((f"p{i}", f"i{j}"), None)
            assert span in expected if expected else span is None
    assert not found


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
