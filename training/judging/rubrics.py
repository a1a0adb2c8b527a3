"""Rubrics, the request that shows a judge two responses, its answer and the verdict in it.

Not here: the models that answer (`training.judging.local_judge`, `training.judging.remote_judge`),
rewards from verdicts (`transforms.pairs.judgments`). Imports no torch.

A rubric is a text file in `training/judging/rubric_files` with the places $prompt, $response_a and
$response_b; a literal dollar sign is written $$ (`string.Template`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal, Protocol, Self

from training.settings.judge import JudgeSettings
from transforms.benchmarks.judged.verdicts import find_last_mark
from transforms.errors import InputError

RUBRICS = Path(__file__).parent / "rubric_files"

PLACES = {"prompt", "response_a", "response_b"}
"""Places of a rubric, each at least once."""

Verdict = Literal["A", "B", "tie", "unparseable"]

VERDICTS: dict[str, Verdict] = {"A": "A", "B": "B", "C": "tie"}

Conversation = list[dict[str, str]]


@dataclass(frozen=True)
class Answer:
    """A judge's answer to one request, or the error instead of it: text or error is null."""

    text: str | None
    finish_reason: str | None
    """stop | length | any other reason that a server gives."""
    error: str | None
    elapsed_s: float | None
    """Seconds from the request to the answer, retries included; null where many requests run at
    once."""
    top_logprobs: Mapping[str, float] | None = None
    """Log-probabilities of the likeliest first tokens, nats; null where none were asked for."""

    @classmethod
    def failed(cls, error: str) -> Self:
        """Make the answer of a request that got none."""
        return cls(None, None, error, None)


class Judge(Protocol):
    """An open chat model that answers requests."""

    settings: JudgeSettings

    def answers(self, conversations: Iterable[Conversation]) -> Iterator[tuple[int, Answer]]:
        """Answer every request; number (from 0) and answer in order of completion."""


def list_rubrics() -> list[str]:
    """Return the names of the rubrics."""
    return sorted(file.stem for file in RUBRICS.glob("*.txt"))


def read_rubric(name: str) -> str:
    """Read a rubric's text.

    Raises:
        InputError: there is no such rubric, or its places are not the three.
    """
    if name not in list_rubrics():
        raise InputError(
            f"no rubric is called {name}",
            expected=f"one of {', '.join(list_rubrics())}",
            found=name,
            remedy=f"correct judge.rubric, or add training/judging/rubric_files/{name}.txt",
        )
    text = (RUBRICS / f"{name}.txt").read_text(encoding="utf-8")
    require_places(name, text)
    return text


def require_places(name: str, text: str) -> None:
    """Refuse a rubric without the three places, or with a dollar sign that is none.

    Raises:
        InputError: naming the rubric.
    """
    template = Template(text)
    if not template.is_valid() or set(template.get_identifiers()) != PLACES:
        raise InputError(
            f"the rubric {name} cannot be filled in",
            expected="the places $prompt, $response_a, $response_b, and $$ for a dollar sign",
            found=", ".join(re.findall(r"\$\w*", text)) or "none",
            remedy=f"correct training/judging/rubric_files/{name}.txt",
        )


def build_request(
    rubric: str, prompt: Sequence[Mapping[str, str]], response_a: str, response_b: str
) -> Conversation:
    """Build the chat messages that ask for a verdict: one message of the user.

    Places are filled in one pass: a dollar sign in a prompt or a response stays what it is.
    """
    places = {
        "prompt": write_transcript(prompt),
        "response_a": response_a,
        "response_b": response_b,
    }
    return [{"role": "user", "content": Template(rubric).substitute(places)}]


def write_transcript(messages: Sequence[Mapping[str, str]]) -> str:
    """Write a conversation as text, every turn behind its role."""
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)


def parse_verdict(answer: Answer) -> Verdict | None:
    """Read the verdict of an answer; null where there is no answer.

    An answer that was cut has no verdict yet, whatever it quotes. An answer without a mark
    (`transforms.benchmarks.judged.verdicts.find_last_mark`) is unparseable.
    """
    if answer.text is None:
        return None
    mark = None if answer.finish_reason == "length" else find_last_mark(answer.text, "three_way")
    return VERDICTS[mark] if mark else "unparseable"
