"""Repeated items: which responses are compared, and their pairs."""

import polars as pl
import pytest

from bench.repeated_items import find_repeats, pair_responses

PROMPT = "please name two fruits as bullets"


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("- pear - plum", False),
        ("- pear - pear", True),
        ("- pear", None),  # too few
        ("- pear - hammer", None),  # wrong item
        ("[ pear ] [ pear ]", None),  # wrong format
        ("answer: - pear - pear", None),  # filler
    ],
)
def test_only_responses_without_another_fault_are_compared(response, expected):
    assert find_repeats(PROMPT, response) is expected


def test_responses_of_one_prompt_are_paired():
    rows = pl.DataFrame(
        [("a", 1, "p", 1.0, True), ("a", 1, "p", 2.0, False), ("a", 1, "p", 9.0, None),
         ("a", 1, "q", 3.0, True), ("a", 2, "p", 4.0, False)],
        schema=["experiment", "iteration", "prompt_id", "reward", "repeats"], orient="row",
    )  # fmt: skip
    assert pair_responses(rows).rows() == [("a", 1, "p", 2.0, 1.0)]
