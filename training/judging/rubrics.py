"""Judge prompts for pairs: reading rubric files, building comparison requests, parsing verdicts.

Not here: the models that answer (`training.judging.local_judge`, `training.judging.remote_judge`),
rewards from verdicts (`transforms.pairs.judgments`). Imports no torch.

A rubric is a text file in `training/judging/rubric_files` with the placeholders $prompt,
$response_a and $response_b; a literal dollar sign is written $$ (`string.Template`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal, Protocol, Self

from training.judging.templates import escape_delimiters, fill_template
from training.settings.judge import JudgeSettings
from transforms.benchmarks.judged.verdicts import find_last_mark
from transforms.errors import InputError

RUBRICS = Path(__file__).parent / "rubric_files"

PLACES = {"prompt", "response_a", "response_b"}
"""Placeholders of a rubric, each at least once."""

Verdict = Literal["A", "B", "tie", "unparseable"]

VERDICTS: dict[str, Verdict] = {"A": "A", "B": "B", "C": "tie"}

Conversation = list[dict[str, str]]

ROLE_LINE = re.compile(r"(?<=\n)[^\S\n]*(?:system|user|assistant|tool)[^\S\n]*:", re.I)
"""A line of a message that starts like a turn of `write_transcript`."""


@dataclass(frozen=True)
class Answer:
    """A judge's answer to one request, or an error: text or error is null."""

    text: str | None
    finish_reason: str | None
    """stop | length | another reason from a server."""
    error: str | None
    elapsed_s: float | None
    """Seconds from request to answer with all retries; null if many requests run at once."""
    top_logprobs: Mapping[str, float] | None = None
    """Log-probabilities of the most likely first tokens, nats; null if not requested."""

    @classmethod
    def from_error(cls, error: str) -> Self:
        """Make the answer of a request that failed."""
        return cls(None, None, error, None)


class Judge(Protocol):
    """An open chat model that answers requests."""

    settings: JudgeSettings

    def answer_requests(
        self, conversations: Iterable[Conversation]
    ) -> Iterator[tuple[int, Answer]]:
        """Yield the number (from 0) and the answer of every request, in order of completion."""


def list_rubrics() -> list[str]:
    """Return the names of the rubrics."""
    return sorted(file.stem for file in RUBRICS.glob("*.txt"))


def read_rubric(name: str) -> str:
    """Read a rubric's text.

    Raises:
        InputError: the rubric does not exist, or does not have the three placeholders.
    """
    if name not in list_rubrics():
        raise InputError(
            f"the rubric {name} does not exist",
            expected=f"one of {', '.join(list_rubrics())}",
            found=name,
            remedy=f"correct judge.rubric, or add training/judging/rubric_files/{name}.txt",
        )
    text = (RUBRICS / f"{name}.txt").read_text(encoding="utf-8")
    require_places(name, text)
    return text


def require_places(name: str, text: str) -> None:
    """Check that a rubric has the three placeholders and no other dollar sign.

    Raises:
        InputError: a placeholder is missing, or there is another dollar sign.
    """
    template = Template(text)
    if not template.is_valid() or set(template.get_identifiers()) != PLACES:
        raise InputError(
            f"the rubric {name} cannot be filled in",
            expected="the placeholders $prompt, $response_a, $response_b, and $$ for a dollar sign",
            found=", ".join(re.findall(r"\$\w*", text)) or "none",
            remedy=f"correct training/judging/rubric_files/{name}.txt",
        )


def build_request(
    rubric: str, prompt: Sequence[Mapping[str, str]], response_a: str, response_b: str
) -> Conversation:
    """Build the request for a verdict: one user message (`training.judging.templates`)."""
    places = {
        "prompt": write_transcript(prompt),
        "response_a": response_a,
        "response_b": response_b,
    }
    return [{"role": "user", "content": fill_template(rubric, places)}]


def write_transcript(messages: Sequence[Mapping[str, str]]) -> str:
    """Write a conversation as text, each turn after its role.

    A line of a turn that starts like another turn gets a backslash.
    """
    return "\n\n".join(
        f"{message['role']}: {escape_delimiters(message['content'], ROLE_LINE)}"
        for message in messages
    )


def parse_verdict(answer: Answer) -> Verdict | None:
    """Parse the verdict of an answer; None without an answer.

    An answer that was cut at max_tokens, or has no mark
    (`transforms.benchmarks.judged.verdicts.find_last_mark`), is unparseable: a cut answer may quote
    marks before its verdict.
    """
    if answer.text is None:
        return None
    mark = None if answer.finish_reason == "length" else find_last_mark(answer.text, "three_way")
    return VERDICTS[mark] if mark else "unparseable"
