"""Made-up questions and answers of the dress rehearsal, in many lengths, from one seed.

Not here: the columns of a source (`bench.rehearsal.conversations`, `bench.rehearsal.comparisons`).
"""

import random

from bench.inputs import WORDS

QUESTION_WORDS = (6, 16)
ANSWER_WORDS = (4, 40)
LONG_WORDS = (600, 700)
"""Longer than every limit of the rehearsal's recipe: about one token per word."""
LONG_EVERY = 25
"""One answer in this number is a long one."""


class Texts:
    """A generator of texts whose lengths and words a seed decides."""

    def __init__(self, seed: str) -> None:
        """Store the seed's random numbers."""
        self.draw = random.Random(seed)
        self._answers = 0

    def write(self, words: tuple[int, int]) -> str:
        """Write a text with a number of words between the two limits."""
        text = " ".join(self.draw.choices(WORDS, k=self.draw.randint(*words)))
        return f"{text.capitalize()}."

    def ask(self) -> str:
        """Write a question."""
        return self.write(QUESTION_WORDS)

    def answer(self) -> str:
        """Write an answer; every 25th is too long to train on."""
        self._answers += 1
        return self.write(ANSWER_WORDS if self._answers % LONG_EVERY else LONG_WORDS)

    def ask_too_long(self) -> str:
        """Write a question that leaves no room for an answer."""
        return self.write(LONG_WORDS)
