"""The response of a server with OpenAI's chat completions interface, read as a judge's answer.

Not here: requests (`training.judging.remote_judge`), verdicts (`training.judging.rubrics`).

Source: https://platform.openai.com/docs/api-reference/chat/object.
"""

from typing import Annotated

import msgspec

from training.judging.rubrics import Answer


class TopToken(msgspec.Struct):
    """One of the most likely tokens at a place of an answer."""

    token: str
    logprob: Annotated[float, msgspec.Meta(le=1.0)]
    """Nats; servers round 0 up to small positive numbers."""


class Token(msgspec.Struct):
    """A token of an answer."""

    top_logprobs: list[TopToken] = []


class Logprobs(msgspec.Struct):
    """Log-probabilities of an answer's tokens."""

    content: list[Token] | None = None


class Message(msgspec.Struct):
    """The message of an answer; null if a server keeps the thoughts and there is nothing else."""

    content: str | None


class Choice(msgspec.Struct):
    """One answer."""

    message: Message
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class Completion(msgspec.Struct):
    """What is read of a server's response.

    Source: https://platform.openai.com/docs/api-reference/chat/object.
    """

    choices: list[Choice]


def read_completion(content: bytes, shown: str) -> Answer:
    """Read the answer in a response's body.

    Args:
        content: the body, JSON.
        shown: the start of the response for the error of an answer that cannot be read.
    """
    try:
        choice = msgspec.json.decode(content, type=Completion).choices[0]
    except (msgspec.MsgspecError, IndexError, UnicodeDecodeError):
        return Answer.from_error(f"no chat completion: {shown}")
    text = choice.message.content
    if text is None and choice.finish_reason == "length":
        text = ""  # the thoughts, which the server keeps, took all tokens
    if text is None:
        return Answer.from_error(f"an answer without text: {shown}")
    first = choice.logprobs.content[:1] if choice.logprobs and choice.logprobs.content else []
    tops = {top.token: top.logprob for token in first for top in token.top_logprobs}
    return Answer(text, choice.finish_reason, None, None, tops or None)
