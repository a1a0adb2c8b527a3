import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.measures.repetition import find_duplicates_across_prompts, measure_repeated_ngrams


def shares(*texts, size=4):
    return measure_repeated_ngrams(pl.Series(texts, dtype=pl.String), size).to_list()


def test_a_repeated_run_of_words_counts_from_its_second_time():
    # a b c d | b c d a | c d a b | d a b c | a b c d: five runs, one of them twice
    assert shares("a b c d a b c d") == [pytest.approx(1 / 5)]
    assert shares("a b c d e f") == [0.0]
    assert shares("a a a a a a") == [pytest.approx(2 / 3)]
    assert shares("a  b\na b", size=2) == [pytest.approx(1 / 3)]


def test_a_text_is_compared_with_itself_alone():
    assert shares("a b c d", "a b c d", "x y a b c d") == [0.0, 0.0, 0.0]


def test_short_texts_have_no_share():
    assert shares("a b c", "", None, "a b c d") == [None, None, None, 0.0]
    assert shares() == []


@pytest.mark.parametrize(
    "text", ["我喜欢猫。我喜欢猫。", "わたしのねこ。わたしのねこ。", "ผมรักแมวผมรักแมว"]
)
def test_texts_without_spaces_have_a_share(text):
    assert 0 < shares(text)[0] < 1


def by_hand(text, size):
    words = text.split()
    runs = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else None


@given(st.lists(st.text("ab \n", max_size=30), max_size=8), st.integers(1, 4))
def test_all_texts_at_once_are_what_each_is_by_hand(texts, size):
    assert shares(*texts, size=size) == [
        None if (share := by_hand(text, size)) is None else pytest.approx(share) for text in texts
    ]


def test_duplicates_are_of_other_prompts():
    rows = pl.DataFrame(
        {
            "prompt_id": ["p", "p", "q", "q", "r"],
            "response": ["yes", "yes", "yes", "", ""],
        }
    )
    assert find_duplicates_across_prompts(rows).to_list() == [True, True, True, False, False]
    assert not find_duplicates_across_prompts(rows.filter(prompt_id="p")).any()
