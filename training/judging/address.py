"""A judge behind an address: any server that speaks OpenAI's chat completions.

Lives here: requests, their time limit, their repetition. Not here: what is asked, and what answers
mean (`training.judging.rubrics`). Imports no torch.

httpx2 rather than the openai client: that client takes keys and headers from the environment
(`OPENAI_ADMIN_KEY`, `OPENAI_ORG_ID`) and would send them to whatever address is named.
"""

import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack
from dataclasses import replace
from http import HTTPStatus
from itertools import islice
from types import TracebackType
from typing import Any, Self

import anyio
import httpx2
from anyio.from_thread import start_blocking_portal

from training.judging.rubrics import Answer, Conversation
from training.settings.judge import JudgeSettings
from transforms.errors import InputError

FIRST_PAUSE_S = 1.0
"""Seconds before a request is sent again; twice as long before each further time."""

REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
"""Every request would end like this one: the key, the address or the model's name is wrong."""

ERROR_CHARS = 500
"""How much of a server's own words an error repeats."""


class _TryAgainError(Exception):
    """A request that may succeed when it is sent again."""


class AddressJudge:
    """Context manager: a client of one server, at most `concurrency` requests at a time."""

    def __init__(self, settings: JudgeSettings, *, top_logprobs: int = 0) -> None:
        """Read the key, if there is one; a server without keys needs none."""
        self.settings, self._top_logprobs = settings, top_logprobs
        self._url = f"{settings.address.rstrip('/')}/chat/completions"
        self._key = os.environ.get(settings.api_key_variable, "")

    def __enter__(self) -> Self:
        """Start the thread that the requests run in; nothing is sent yet."""
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal())
            client = httpx2.AsyncClient(
                headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
                timeout=None,  # its limits are a phase's; `_answer` limits the whole request
                limits=httpx2.Limits(max_connections=None),  # `answers` limits them
            )
            self._client = stack.enter_context(self._portal.wrap_async_context_manager(client))
            self._opened = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections and end the thread."""
        self._opened.__exit__(kind, error, trace)

    def answers(self, conversations: Iterable[Conversation]) -> Iterator[tuple[int, Answer]]:
        """Answer every request; number and answer in order of completion.

        Raises:
            InputError: the server knows no such address, model or key.
        """
        numbered = enumerate(conversations)
        running: dict[Future[Answer], int] = {}
        try:
            while True:
                for number, conversation in islice(
                    numbered, self.settings.concurrency - len(running)
                ):
                    running[self._portal.start_task_soon(self._ask, conversation)] = number
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        finally:
            for future in running:
                future.cancel()

    async def _ask(self, conversation: Conversation) -> Answer:
        """Send a request until it is answered, refused for good, or out of retries."""
        started, tries = time.perf_counter(), self.settings.retries + 1
        for attempt in range(tries):
            if attempt:
                await anyio.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1))
            try:
                answer = await self._answer(conversation)
            except _TryAgainError as failure:
                answer = _unanswered(f"{failure} ({tries} times)" if tries > 1 else str(failure))
                continue
            break
        error = answer.error
        if error is not None and self._key:
            error = error.replace(self._key, "***")  # a server may repeat what it was sent
        return replace(answer, error=error, elapsed_s=time.perf_counter() - started)

    async def _answer(self, conversation: Conversation) -> Answer:
        """Send a request once; an error of the answer is one that a repetition would not change."""
        body: dict[str, Any] = {
            "model": self.settings.model,
            "messages": conversation,
            "temperature": self.settings.temperature,
            "max_tokens": self.settings.max_tokens,
        }
        if self._top_logprobs:
            body |= {"logprobs": True, "top_logprobs": self._top_logprobs}
        try:
            with anyio.fail_after(self.settings.timeout_s):
                response = await self._client.post(self._url, json=body)
        except TimeoutError:
            raise _TryAgainError(f"no answer within {self.settings.timeout_s:g} s") from None
        except httpx2.RequestError as failure:
            raise _TryAgainError(f"{type(failure).__name__}: {failure}") from None
        status = response.status_code
        said = f"HTTP {status}: {response.text[:ERROR_CHARS]}"
        if status in REFUSED:
            raise InputError(
                f"the judge at {self.settings.address} refuses requests",
                expected=f"a chat completions server with the model {self.settings.model}",
                found=said.replace(self._key, "***") if self._key else said,
                remedy="correct judge.address or judge.model, or set the environment variable"
                f" {self.settings.api_key_variable} to a valid key",
            )
        if status >= 500 or status in (408, 409, 429):
            raise _TryAgainError(said)
        if status != HTTPStatus.OK:
            return _unanswered(said)
        try:
            choice = response.json()["choices"][0]
            text, finish_reason = choice["message"]["content"], choice.get("finish_reason")
            logprobs = _first_logprobs(choice.get("logprobs"))
        except (ValueError, KeyError, IndexError, TypeError):
            return _unanswered(f"no chat completion: {said}")
        if not isinstance(text, str):
            return _unanswered(f"an answer without text: {said}")
        return Answer(text, finish_reason, None, None, logprobs)


def _unanswered(error: str) -> Answer:
    return Answer(None, None, error, None)


def _first_logprobs(logprobs: dict[str, Any] | None) -> dict[str, float] | None:
    """Read the likeliest first tokens; None where the server gives none."""
    if not logprobs or not logprobs.get("content"):
        return None
    return {top["token"]: top["logprob"] for top in logprobs["content"][0]["top_logprobs"]}
