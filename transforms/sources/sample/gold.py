"""Facts and gold reward of the sample task: a program scores a response to a prompt.

Lives here: the facts, parsing a prompt's text, the gold reward. Not here: random prompts, responses
and labels (`transforms.sources.sample.task`). Spaces separate all words and punctuation marks, so
that a word-level tokenizer of a few hundred entries is enough.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from transforms.code_hash import hash_code
from transforms.errors import InputError

OPPOSITES = (("hot", "cold"), ("fast", "slow"), ("wet", "dry"), ("young", "old"))

CATEGORIES: dict[str, tuple[str, ...]] = {
    "fruits": ("apple", "pear", "plum", "cherry", "mango", "grape"),
    "tools": ("hammer", "saw", "drill", "wrench", "pliers", "file"),
    "drinks": ("water", "tea", "coffee", "juice", "milk", "cider"),
}
COUNTS = {"two": 2, "three": 3}

FORMATS = ("as bullets", "in brackets", "in a sentence")
"""Formats that a prompt can request. Two items look like `- x - y`, `[ x ] [ y ]`, `x and y .`"""

MARKERS = {
    "as bullets": {"-"},
    "in brackets": {"[", "]"},
    "in a sentence": {"and", "."},
}

CORRECTNESS_WEIGHT, FORMAT_WEIGHT = 0.5, 1.0
"""Gold reward of perfect items, and of a perfect format. Format weighs more: a reward model of a
million weights learns formats from a few thousand labels, but learns correct items less well."""
WORD_COST, MOST_COST = 0.01, 0.3
"""Gold reward lost per word beyond the shortest perfect response, and the maximum loss."""


@dataclass(frozen=True)
class Request:
    """The request of a prompt."""

    count: int
    """Number of words to name."""
    right: tuple[str, ...]
    """Correct words."""
    others: tuple[tuple[str, ...], ...]
    """Correct words of similar questions, one tuple per question."""
    format: str
    """One of `FORMATS`."""

    @property
    def known(self) -> frozenset[str]:
        """Return all words that answer this question or a similar one."""
        return frozenset(self.right).union(*self.others)


_ANSWERS = dict(OPPOSITES) | {right: left for left, right in OPPOSITES}


def read_prompt(prompt: str) -> Request:
    """Parse the text of a prompt.

    Raises:
        InputError: the text is not a prompt of the sample task.
    """
    words = prompt.split()
    formats = [name for name in FORMATS if f" {name} " in f" {prompt} "]
    category = next((word for word in words if word in CATEGORIES), None)
    count = next((COUNTS[word] for word in words if word in COUNTS), None)
    opposite = next((_ANSWERS[word] for word in words if word in _ANSWERS), None)
    if len(formats) == 1 and category is not None and count is not None:
        others = tuple(words for name, words in CATEGORIES.items() if name != category)
        return Request(count, CATEGORIES[category], others, formats[0])
    if len(formats) == 1 and opposite is not None:
        others = tuple((word,) for word in _ANSWERS if word != opposite)
        return Request(1, (opposite,), others, formats[0])
    raise InputError(
        "not a prompt of the sample task",
        expected="a counted category or an opposite, and one format",
        found=repr(prompt),
        remedy="use the gold reward only with prompts of the sample task",
    )


def render(items: list[str], format_request: str) -> list[str]:
    """Write items in the requested format, as a list of words."""
    if format_request == "in a sentence":
        return [*" and ".join(items).split(), "."]
    if format_request == "as bullets":
        return [word for item in items for word in ("-", item)]
    return [word for item in items for word in ("[", item, "]")]


def gold_reward(prompt: str, response: str) -> float:
    """Score a response by a program: the ground truth that reward models try to learn.

    gold = max(0, 0.5 * correctness + format - min(0.3, 0.01 * excess)), in [0, 1.5], where

    * correctness in [0, 1]: (right distinct words, at most n, minus all other known words) / n, not
      below 0, for n words asked. An opposite is one word; a second one earns nothing.
    * format in [0, 1]: the share of items written as requested, among max(items written, items
      asked); 0 if a marker of another format occurs.
    * excess: words (split at spaces) beyond those of the shortest perfect response.

    Args:
        prompt: content of the last user turn, a prompt of the sample task.
        response: the assistant's text.

    Raises:
        InputError: the text is not a prompt of the sample task.
    """
    request = read_prompt(prompt)
    words = response.split()
    excess = max(0, len(words) - len(render(["item"] * request.count, request.format)))
    gold = CORRECTNESS_WEIGHT * _measure_correctness(request, words)
    gold += FORMAT_WEIGHT * _measure_format_share(request, words)
    return max(0.0, gold - min(MOST_COST, WORD_COST * excess))


@cache
def gold_version() -> str:
    """Return the identifier of the program: a hash of this file's code."""
    return hash_code(Path(__file__).read_bytes(), docstrings=False)


def _measure_correctness(request: Request, words: list[str]) -> float:
    named = request.known & set(words)
    right = min(len(named & frozenset(request.right)), request.count)
    return max(0, right - (len(named) - right)) / request.count


def _measure_format_share(request: Request, words: list[str]) -> float:
    own = MARKERS[request.format]
    foreign = frozenset().union(*MARKERS.values()) - own
    if foreign & set(words):
        return 0.0
    places = [place for place, word in enumerate(words) if word in request.known]
    padded = ["", *words, ""]
    marked = 0
    for position, place in enumerate(places, 1):
        before, after = padded[place], padded[place + 2]
        marked += {
            "as bullets": before == "-",
            "in brackets": before == "[" and after == "]",
            "in a sentence": after == ("." if position == len(places) else "and"),
        }[request.format]
    return marked / max(len(places), request.count)
