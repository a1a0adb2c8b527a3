"""Kinds of instructions about length and layout: words, lists, paragraphs, JSON, title.

Not here: kinds about wording (`transforms.prompts.instructions.wording_kinds`).
"""

import json
import re

from transforms.prompts.instructions.kind import InstructionKind

BULLET = re.compile(r"^[ \t]*[-*•][ \t]+\S", re.M)
NUMBERED = re.compile(r"^[ \t]*(\d+)[.)][ \t]+\S", re.M)
TITLE = re.compile(r"<<([^<>\n]+)>>")
PLACEHOLDER = re.compile(r"\[[^\[\]\n]+\]")
FENCED = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.S)


def count_words(text: str) -> int:
    """Count the words of a text: its parts between white space."""
    return len(text.split())


def split_paragraphs(text: str) -> list[str]:
    """Split a text at empty lines."""
    return re.split(r"\n[ \t]*\n\s*", text.strip())


def _is_object_with(response: str, keys: str) -> bool:
    """Check for one JSON object with the keys, which may be in a code block."""
    fenced = FENCED.fullmatch(response.strip())
    try:
        value = json.loads(fenced[1] if fenced else response)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and set(keys.split(", ")) <= set(value)


def _number_items(items: int) -> str:
    return "\n".join(f"{number}. item" for number in range(1, items + 1))


LAYOUT_KINDS = (
    InstructionKind(
        "words_at_most",
        "Use at most {words} words.",
        check=lambda response, words: count_words(response) <= words,
        example=lambda words: " ".join(["word"] * words),
        parameters={"words": (40, 60, 80, 120)},
        groups=frozenset({"length"}),
    ),
    InstructionKind(
        "words_at_least",
        "Use at least {words} words.",
        check=lambda response, words: count_words(response) >= words,
        example=lambda words: " ".join(["word"] * words),
        parameters={"words": (30, 60, 100, 150)},
        groups=frozenset({"length"}),
    ),
    InstructionKind(
        "bullet_list",
        "Include a list of exactly {items} items; each is one line that begins with a hyphen.",
        check=lambda response, items: len(BULLET.findall(response)) == items,
        example=lambda items: "\n".join(["- item"] * items),
        parameters={"items": (2, 3, 4, 5, 6)},
        groups=frozenset({"layout"}),
    ),
    InstructionKind(
        "numbered_list",
        "Include one numbered list of exactly {items} items; each is one line that begins with its"
        " number and a full stop.",
        check=lambda response, items: (
            [*map(int, NUMBERED.findall(response))] == [*range(1, items + 1)]
        ),
        example=_number_items,
        parameters={"items": (2, 3, 4, 5, 6)},
        groups=frozenset({"layout"}),
    ),
    InstructionKind(
        "paragraphs",
        "Write exactly {paragraphs} paragraphs with an empty line between them.",
        check=lambda response, paragraphs: len(split_paragraphs(response)) == paragraphs,
        example=lambda paragraphs: "\n\n".join(["A paragraph."] * paragraphs),
        parameters={"paragraphs": (2, 3, 4)},
        groups=frozenset({"layout"}),
    ),
    InstructionKind(
        "json_object",
        "Answer with one JSON object that has the keys {keys}, and write nothing else.",
        check=_is_object_with,
        example=lambda keys: json.dumps(dict.fromkeys(keys.split(", "), "text")),
        parameters={"keys": ("answer, reason", "title, summary", "topic, facts, source")},
        # it also decides how the answer begins and ends, and needs commas and brackets
        groups=frozenset({"layout", "begin", "end", "case", "commas", "brackets"}),
    ),
    InstructionKind(
        "title",
        "Give the answer a title in double angle brackets, such as <<title>>.",
        check=lambda response: any(title.strip() for title in TITLE.findall(response)),
        example=lambda: "<<title>>\nAn answer.",
    ),
    InstructionKind(
        "placeholders",
        "Include at least {placeholders} placeholders in square brackets, such as [address].",
        check=lambda response, placeholders: len(PLACEHOLDER.findall(response)) >= placeholders,
        example=lambda placeholders: "[name] " * placeholders,
        parameters={"placeholders": (2, 3, 4)},
        groups=frozenset({"brackets"}),
    ),
)
"""Kinds about length and layout."""
