"""Kinds of instructions about wording: words, case, first and last phrase, punctuation.

Not here: kinds about layout (`transforms.prompts.instructions.layout_kinds`).
"""

import re

from transforms.prompts.instructions.kind import InstructionKind

REQUIRED_WORDS = ("example", "people", "time", "reason", "change", "place")
FORBIDDEN_WORDS = ("very", "important", "however", "good", "many", "also")
"""No required word or phrase contains one of them."""
FIRST_PHRASES = ("Here is my answer:", "In short:", "Let me explain.", "To begin with:")
LAST_PHRASES = ("That is all.", "I hope this helps.", "Ask me if anything is unclear.")
"""No phrase contains a comma."""
QUOTES = ('""', "“”")


def count_word(text: str, word: str) -> int:
    """Count a whole word in a text, in upper or lower case."""
    return len(re.findall(rf"\b{re.escape(word.casefold())}\b", text.casefold()))


def _is_quoted(response: str) -> bool:
    text = response.strip()
    return len(text) > 2 and text[0] + text[-1] in QUOTES


WORDING_KINDS = (
    InstructionKind(
        "keyword",
        'Use the word "{word}" at least {times} times.',
        check=lambda response, word, times: count_word(response, word) >= times,
        example=lambda word, times: f"{word} " * times,
        parameters={"word": REQUIRED_WORDS, "times": (2, 3)},
    ),
    InstructionKind(
        "forbidden_word",
        'Do not use the word "{word}".',
        check=lambda response, word: not count_word(response, word),
        example=lambda word: "An answer.",
        parameters={"word": FORBIDDEN_WORDS},
    ),
    InstructionKind(
        "lower_case",
        "Write in lower case only, without a capital letter.",
        check=lambda response: response == response.lower(),
        example=lambda: "an answer.",
        groups=frozenset({"case"}),
    ),
    InstructionKind(
        "upper_case",
        "Write in capital letters only.",
        check=lambda response: response == response.upper(),
        example=lambda: "AN ANSWER.",
        groups=frozenset({"case"}),
    ),
    InstructionKind(
        "begin_phrase",
        'Begin with the words "{phrase}".',
        check=lambda response, phrase: response.strip().casefold().startswith(phrase.casefold()),
        example=lambda phrase: f"{phrase} An answer.",
        parameters={"phrase": FIRST_PHRASES},
        groups=frozenset({"begin"}),
    ),
    InstructionKind(
        "end_phrase",
        'End with the words "{phrase}".',
        check=lambda response, phrase: response.strip().casefold().endswith(phrase.casefold()),
        example=lambda phrase: f"An answer. {phrase}",
        parameters={"phrase": LAST_PHRASES},
        groups=frozenset({"end"}),
    ),
    InstructionKind(
        "question_mark",
        "End with a question mark.",
        check=lambda response: response.strip().endswith(("?", "？")),
        example=lambda: "An answer?",
        groups=frozenset({"end"}),
    ),
    InstructionKind(
        "quotation_marks",
        "Put the whole answer in double quotation marks.",
        check=_is_quoted,
        example=lambda: '"An answer."',
        groups=frozenset({"begin", "end"}),
    ),
    InstructionKind(
        "no_commas",
        "Use no commas.",
        check=lambda response: not re.search("[,，、]", response),
        example=lambda: "An answer.",
        groups=frozenset({"commas"}),
    ),
)
"""Kinds about wording."""
