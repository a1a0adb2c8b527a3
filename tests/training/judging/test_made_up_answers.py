"""A small part of `bench/fuzz/answers.py`."""

import random

import pytest

from bench.fuzz.answers import make_answer
from training.judging.rubrics import Answer, parse_verdict


@pytest.mark.parametrize("seed", range(4))
def test_the_stated_verdict_and_no_other_is_read(seed):
    for number in range(100):
        made = make_answer(random.Random(f"test {seed}/{number}"))
        assert parse_verdict(Answer(made.text, "stop", None, None)) == made.verdict, made.text
