import pytest

from transforms.benchmarks.judged.verdicts import FIRST_SHARES, read_verdict


@pytest.mark.parametrize(
    ("form", "text", "verdict"),
    [
        ("rating", "Good.\nRating: [[7]]", "7"),
        ("rating", "Rating: [[7.5]]", "7.5"),
        ("rating", "I thought of [[3]] first.\nRating: [[10]]", "10"),
        ("rating", "[[3]] or [[4]]", None),
        ("rating", "[[11]]", None),
        ("rating", "[[0]]", None),
        ("rating", "Rating: 7", None),
        ("choice", " m\n", "m"),
        ("choice", "M", "M"),
        ("choice", "m is better", None),
        ("choice", "", None),
        ("three_way", "[[A]] says one\nI say [[C]]", "C"),
        ("three_way", "[[D]]", None),
        ("five_way", "My final verdict is: [[A>>B]]", "A>>B"),
        ("five_way", "[[B>A]]", "B>A"),
        ("five_way", "[[A>>>B]]", None),
        ("five_way", "[[A=B]] [[A>B]]", None),
    ],
)
def test_the_last_mark_of_the_form_is_the_verdict(form, text, verdict):
    assert read_verdict(text, form) == verdict


@pytest.mark.parametrize("form", ["three_way", "five_way"])
def test_exchanged_letters_exchange_the_shares(form):
    exchange = str.maketrans("AB", "BA")
    for mark, share in FIRST_SHARES[form].items():
        assert FIRST_SHARES[form][mark.translate(exchange)] == 1 - share
