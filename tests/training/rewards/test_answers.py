"""Answers against references: literal texts."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.rewards.answers import match_number, match_text, read_last_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", 42),
        ("First 3, then 12.", 12),
        ("The answer is $1,234.50.", Fraction("1234.5")),
        ("\\boxed{\\$12} in 3 days", 12),
        ("\\boxed{1} or \\boxed{\\frac{3}{4}}", Fraction(3, 4)),
        ("#### -7", -7),
        ("−$5", -5),
        ("5-3", 3),
        ("2 - 3", 3),
        ("12%", 12),
        (".5", Fraction(1, 2)),
        ("1/2", Fraction(1, 2)),
        ("10,000,000", 10_000_000),
        ("3.", 3),
        ("a3 and v2.5.1", None),
        ("9/0", None),
        ("no number", None),
        ("9" * 5_000, None),
    ],
)
def test_the_last_number_of_a_text(text, number):
    assert read_last_number(text) == number


@given(st.integers(-(10**12), 10**12), st.text(alphabet="abc \n"))
def test_a_number_is_read_with_and_without_commas(number, before):
    for written in (f"{number}", f"{number:,}", f"{number:,}.00", f"\\boxed{{{number}}}"):
        assert read_last_number(f"{before} {written}") == number


def test_equal_numbers_match_and_others_do_not():
    assert match_number("It is 1,000 dollars", "1000.0") == 1
    assert match_number("It is 1,001 dollars", "1000") == 0
    assert match_number("I do not know", "1000") == 0


def test_texts_match_without_the_space_at_their_ends():
    assert match_text(" Paris\n", "Paris") == 1
    assert match_text("paris", "Paris") == 0
