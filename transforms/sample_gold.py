"""The world of the sample task: what its prompts ask, and the gold reward, which is a program.

Lives here: the facts, the parts of a prompt, reading a prompt back from its text, the gold reward.
Not here: drawing prompts, responses and labels (`transforms.sample_task`). Words are separated by
spaces, punctuation included, so that a word-level tokenizer of a few hundred entries is enough.
"""

from dataclasses import dataclass

from transforms.errors import InputError

ATTRIBUTES = ("color", "home", "size")
"""What is asked about an animal; a prompt names its attributes in this order."""

FACTS: dict[str, tuple[str, ...]] = {
    "bear": ("brown", "forest", "large"),
    "owl": ("brown", "forest", "small"),
    "frog": ("green", "pond", "tiny"),
    "swan": ("white", "pond", "medium"),
    "shark": ("gray", "ocean", "large"),
    "crab": ("red", "ocean", "small"),
    "elephant": ("gray", "savanna", "giant"),
    "parrot": ("green", "jungle", "small"),
    "monkey": ("brown", "jungle", "medium"),
    "hen": ("red", "farm", "small"),
}
"""Animal -> the value of each attribute. No word is a value of two attributes."""

OPPOSITES = (("hot", "cold"), ("fast", "slow"), ("wet", "dry"), ("young", "old"))

CATEGORIES: dict[str, tuple[str, ...]] = {
    "fruits": ("apple", "pear", "plum", "cherry", "mango"),
    "tools": ("hammer", "saw", "drill", "wrench", "pliers"),
    "instruments": ("violin", "flute", "piano", "drum", "harp"),
    "drinks": ("water", "tea", "coffee", "juice", "milk"),
}
COUNTS = {"two": 2, "three": 3}

FORMATS = ("as bullets", "in brackets", "in a sentence")
"""Format requests. Items look like `- x`, `1) x`, `[ x ]`, `-> x`, and `x and y .`"""

MARKERS = {
    "as bullets": {"-"},
    "as numbers": {"1)", "2)", "3)", "4)"},
    "in brackets": {"[", "]"},
    "with arrows": {"->"},
    "in a sentence": {"and", "."},
}

FORMAT_WEIGHT = 0.5
"""Gold reward of a perfect format, beside 1 for a perfect answer."""
WORD_COST, MOST_COST = 0.01, 0.3
"""Gold reward lost per word beyond the shortest perfect response, and the most that is lost."""


@dataclass(frozen=True)
class Slot:
    """One item that a response owes: the right words, among all that such a question can have."""

    question: str
    right: frozenset[str]
    known: frozenset[str]


@dataclass(frozen=True)
class Request:
    """What a prompt asks: its slots in order, the format, and whether the slots share one list."""

    slots: tuple[Slot, ...]
    format: str
    is_list: bool


_VALUES = {
    name: frozenset(row[column] for row in FACTS.values()) for column, name in enumerate(ATTRIBUTES)
}
_ANSWERS = dict(OPPOSITES) | {right: left for left, right in OPPOSITES}
_LISTED = frozenset(word for words in CATEGORIES.values() for word in words)


def read_prompt(prompt: str) -> Request:
    """Read what a prompt asks from its text alone.

    Raises:
        InputError: the text is no prompt of the sample task.
    """
    words = prompt.split()
    requested = [name for name in FORMATS if f" {name} " in f" {prompt} "]
    animal = next((word for word in words if word in FACTS), None)
    category = next((word for word in words if word in CATEGORIES), None)
    slots: list[Slot] = []
    if animal is not None:
        slots = [
            Slot(
                f"{word} of {animal}",
                right=frozenset({FACTS[animal][ATTRIBUTES.index(word)]}),
                known=_VALUES[word],
            )
            for word in words
            if word in ATTRIBUTES
        ]
    elif category is not None:
        count = next((COUNTS[word] for word in words if word in COUNTS), 0)
        slots = [Slot(category, right=frozenset(CATEGORIES[category]), known=_LISTED)] * count
    elif "opposite" in words:
        asked = words[words.index("of", words.index("opposite")) + 1]
        answer = frozenset({_ANSWERS[asked]})
        slots = [Slot(f"opposite of {asked}", right=answer, known=frozenset(_ANSWERS))]
    if len(requested) != 1 or not slots:
        raise InputError(
            "not a prompt of the sample task",
            expected="an animal's attributes, a counted category or an opposite, and one format",
            found=repr(prompt),
            remedy="use the gold reward with recipes whose prompts come from the sample task",
        )
    return Request(tuple(slots), requested[0], is_list=category is not None)


def render(items: list[str], format_request: str) -> list[str]:
    """Write items in the requested format, as words."""
    if format_request == "in a sentence":
        return [*" and ".join(items).split(), "."]
    marks = {
        "as bullets": lambda position, item: ["-", item],
        "as numbers": lambda position, item: [f"{position})", item],
        "in brackets": lambda position, item: ["[", item, "]"],
        "with arrows": lambda position, item: ["->", item],
    }
    mark = marks[format_request]
    return [word for position, item in enumerate(items, 1) for word in mark(position, item)]


def gold_reward(prompt: str, response: str) -> float:
    """Score a response by a program; the ground truth that reward models try to learn.

    gold = max(0, correctness + 0.5 * format - min(0.3, 0.01 * excess)), in [0, 1.5], where

    * correctness in [0, 1]: the share of asked items that are right. An attribute or an opposite is
      right when its true value, and no other value of its kind, is in the response (hedging earns
      nothing). A list of n earns (right distinct items, at most n, minus all other items) / n,
      not below 0.
    * format in [0, 1]: the share of items written as requested, among max(items written, items
      asked); 0 when a marker of another format occurs.
    * excess: words (split at spaces) beyond those of the shortest perfect response.

    Args:
        prompt: Content of the last user turn, a prompt of the sample task.
        response: The assistant's text.

    Raises:
        InputError: the text is no prompt of the sample task.
    """
    request = read_prompt(prompt)
    words = response.split()
    asked = len(request.slots)
    excess = max(0, len(words) - len(render(["item"] * asked, request.format)))
    gold = _correctness(request, words) + FORMAT_WEIGHT * _format_share(request, words)
    return max(0.0, gold - min(MOST_COST, WORD_COST * excess))


def _correctness(request: Request, words: list[str]) -> float:
    asked = len(request.slots)
    if request.is_list:
        named = request.slots[0].known & set(words)
        right = len(named & request.slots[0].right)
        wrong = len(named) - right + max(0, right - asked)
        return max(0, min(right, asked) - wrong) / asked
    return sum(slot.known & set(words) == slot.right for slot in request.slots) / asked


def _format_share(request: Request, words: list[str]) -> float:
    foreign = {
        mark
        for name, marks in MARKERS.items()
        if name != request.format
        for mark in marks - MARKERS[request.format]
    }
    if foreign & set(words):
        return 0.0
    known = frozenset().union(*(slot.known for slot in request.slots))
    places = [place for place, word in enumerate(words) if word in known]
    padded = ["", *words, ""]
    marked = 0
    for position, place in enumerate(places, 1):
        before, after = padded[place], padded[place + 2]
        closing = "." if position == len(places) else "and"
        marked += {
            "as bullets": before == "-",
            "as numbers": before == f"{position})",
            "in brackets": before == "[" and after == "]",
            "with arrows": before == "->",
            "in a sentence": after == closing,
        }[request.format]
    return marked / max(len(places), len(request.slots))
