"""The conclusion of a judge's answer: what is left without the judge's thoughts and quotations.

Not here: the marks of a verdict (`transforms.benchmarks.judged.verdicts`).

Models that reason write their thoughts before the answer, between marks such as <think> and
</think>. A verdict in a thought is a draft. Nothing is guessed: if a thought has no end, the answer
has no conclusion. A chat template may put the first mark into the prompt, so a lone last mark ends
a thought, too.
"""

import re
from typing import NamedTuple


class Brackets(NamedTuple):
    """The two marks around a thought."""

    opening: re.Pattern[str]
    closing: re.Pattern[str]


TAGS = ("think", "thinking", "thought", "thoughts", "reason", "reasoning", "reflection", "analysis",
        "scratchpad", "seed:think")  # fmt: skip
"""Names of the tags around a thought, in angle brackets."""

BRACKETS = (
    *(
        Brackets(
            re.compile(rf"<\s*{tag}(?:\s[^<>]*)?(?<!/)>", re.I),
            re.compile(rf"<\s*/\s*{tag}\s*>", re.I),
        )
        for tag in TAGS
    ),
    # Magistral
    Brackets(re.compile(r"\[THINK\]", re.I), re.compile(r"\[/THINK\]", re.I)),
    # Kimi
    Brackets(re.compile("◁think▷"), re.compile("◁/think▷")),
    # Sky-T1, OpenThinker
    Brackets(
        re.compile(r"<\|begin_of_thought\|>"),
        re.compile(r"<\|end_of_thought\|>"),
    ),
    # Command A
    Brackets(
        re.compile(r"<\|START_THINKING\|>"),
        re.compile(r"<\|END_THINKING\|>"),
    ),
    # gpt-oss: every channel but the final one is a thought
    Brackets(
        re.compile(r"<\|channel\|>(?!final)"),
        re.compile(r"<\|channel\|>final[^<]*<\|message\|>"),
    ),
)

QUOTED_LINES = re.compile(r"“[^”]*\n[^”]*”|„[^“”]*\n[^“”]*[“”]|«[^»]*\n[^»]*»")
"""A quotation of several lines, whose marks have a direction. Marks without one are not read over
several lines: a single inch mark would exchange what is quoted and what is not."""

QUOTED_WORDS = re.compile(r'"[^"]*"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|‘[^’]*’|`[^`]*`')
"""A quotation within a line."""

REPORTED = re.compile(
    r"\b(?:says|claims|writes|wrote|contains|quotes|states|includes|reads|ends with)[\s:,*]*"
    r"\[\[[^\[\]]*\]\]"
)
"""A mark that the judge reports from another text: `Response B says [[B]]`."""

MARK_ALONE = re.compile(r"[\W_]*\[\[[^\[\]]*\]\][\W_]*")
"""A line with a mark and no word; quotation marks around it are decoration."""


def drop_thoughts(text: str) -> str | None:
    """Return the text after the last thought; None if a thought has no end.

    A text without a thought is returned unchanged.
    """
    if find_open_thought(text):
        return None
    ends = (found.end() for _, closing in BRACKETS for found in closing.finditer(text))
    return text[max(ends, default=0) :]


def find_open_thought(text: str) -> str:
    """Return the mark that opens a thought without an end; an empty text if there is none."""
    for opening, closing in BRACKETS:
        closed = max((found.end() for found in closing.finditer(text)), default=0)
        if found := opening.search(text, closed):
            return found[0]
    return ""


def split_unquoted_lines(text: str) -> list[str]:
    """Split a text into lines, and drop the quotations in it.

    A line that starts with > is a quotation. So is a block between two lines of three backticks,
    unless the text ends with the block: a judge may decorate its verdict so.
    """
    lines: list[str] = []
    block: list[str] | None = None
    last_block: list[str] = []
    for line in QUOTED_LINES.sub("", text).rstrip().split("\n"):
        if line.lstrip().startswith("```"):
            last_block, block = block or [], [] if block is None else None
        elif block is not None:
            block.append(line)
        else:
            last_block = []
            lines.append(_drop_quotations(line))
    return lines + last_block


def _drop_quotations(line: str) -> str:
    if line.lstrip().startswith(">"):
        return ""
    return line if MARK_ALONE.fullmatch(line) else REPORTED.sub("", QUOTED_WORDS.sub("", line))
