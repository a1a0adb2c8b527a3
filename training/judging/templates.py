"""Filling of judge prompts' templates with texts that may imitate a template's delimiters.

Not here: the templates (`training.judging.rubrics`, `training.judging.benchmark_prompts`).

A template shows each text between two lines, such as <response_a> and </response_a>. A response
that contains such a line could end its own place and begin another one. Every delimiter that a text
contains therefore gets a backslash before it; other texts are unchanged. A template that separates
its texts by quotation marks alone (AlpacaEval's published one) has no such line, and its texts are
not protected: programs contain quotation marks, and the published figures were made without.
"""

import re
from collections.abc import Mapping
from functools import cache
from string import Template

TOKEN = re.compile(r"\w+|[^\w\s]")

IN_BRACKETS = re.compile(r"<[^<>]*[^\W\d_][^<>]*>|\[[^\[\]]*[^\W\d_][^\[\]]*\]")

PLACE = re.compile(r"\$\{?\w+\}?")


def fill_template(template: str, texts: Mapping[str, str]) -> str:
    """Fill all placeholders in one pass: dollar signs in the texts are unchanged.

    Args:
        template: text with placeholders $name (`string.Template`).
        texts: the text for each placeholder.
    """
    delimiters = find_delimiters(template)
    if delimiters is not None:
        texts = {name: escape_delimiters(text, delimiters) for name, text in texts.items()}
    return Template(template).substitute(texts)


def escape_delimiters(text: str, delimiters: re.Pattern[str]) -> str:
    """Put a backslash before every delimiter in a text."""
    return delimiters.sub(r"\\\g<0>", text)


@cache
def find_delimiters(template: str) -> re.Pattern[str] | None:
    """Build the pattern of a template's delimiters; None if it has none.

    A delimiter is a line in brackets, such as <conversation> or [The Start of the Answer], or the
    line before or after a placeholder that is alone in its line. It contains a letter, and no
    placeholder. Upper and lower case and spaces between words make no difference.
    """
    lines = [line.strip() for line in template.split("\n") if line.strip()]
    found = {line for line in lines if IN_BRACKETS.fullmatch(line) and not PLACE.search(line)}
    found |= {
        neighbour
        for number, line in enumerate(lines)
        if PLACE.fullmatch(line)
        for neighbour in lines[max(number - 1, 0) : number] + lines[number + 1 : number + 2]
        if re.search(r"[^\W\d_]", neighbour) and not PLACE.search(neighbour)
    }
    patterns = [
        r"\s*".join(map(re.escape, TOKEN.findall(line)))
        for line in sorted(found, key=lambda line: (-len(line), line))
    ]
    return re.compile("|".join(patterns), re.I) if patterns else None
