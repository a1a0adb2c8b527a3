"""A judge on a server that speaks OpenAI's chat completions: requests, time limits, retries.

Not here: the text of a request and the meaning of an answer (`training.judging.rubrics`). Imports
no torch.

httpx2 rather than the openai client: that client takes keys and headers from the environment
(`OPENAI_ADMIN_KEY`, `OPENAI_ORG_ID`) and would send them to whatever address is named.
"""

import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from itertools import islice
from typing import Any

import anyio
import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal

from training.judging.rubrics import Answer, Conversation
from training.settings.judge import JudgeSettings
from transforms.errors import InputError

FIRST_PAUSE_S = 1.0
"""Seconds before a request is sent again; twice as long before each further time."""

REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
"""Status codes of a wrong key, address or model: every further request would end the same way."""

ERROR_CHARS = 500
"""Characters of a server's response that an error repeats."""


class _TryAgainError(Exception):
    """A request that may succeed when it is sent again."""


@contextmanager
def open_remote_judge(settings: JudgeSettings, *, top_logprobs: int = 0) -> Iterator["RemoteJudge"]:
    """Open a client of the judge's server; leaving closes its connections and ends its thread.

    The key comes from an environment variable; a server without keys needs none.
    """
    key = os.environ.get(settings.api_key_variable, "")
    client = httpx2.AsyncClient(
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=None,  # httpx limits the phases of a request; `_answer` limits the whole one
        limits=httpx2.Limits(max_connections=None),  # `answers` limits them
    )
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(client):
        yield RemoteJudge(settings, portal, client, key=key, top_logprobs=top_logprobs)


class RemoteJudge:
    """A client of one server, with at most `concurrency` requests at a time."""

    def __init__(
        self,
        settings: JudgeSettings,
        portal: BlockingPortal,
        client: httpx2.AsyncClient,
        *,
        key: str,
        top_logprobs: int,
    ) -> None:
        """Take an open client and the thread that its requests run in; nothing is sent yet."""
        self.settings, self._portal, self._client = settings, portal, client
        self._key, self._top_logprobs = key, top_logprobs
        self._url = f"{settings.address.rstrip('/')}/chat/completions"

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
                answer = Answer.failed(f"{failure} ({tries} times)" if tries > 1 else str(failure))
                continue
            break
        error = answer.error
        if error is not None and self._key:
            error = error.replace(self._key, "***")  # a server may repeat the request
        return replace(answer, error=error, elapsed_s=time.perf_counter() - started)

    async def _answer(self, conversation: Conversation) -> Answer:
        """Send a request once; the answer holds an error if a repetition would not change it."""
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
            return Answer.failed(said)
        try:
            choice = response.json()["choices"][0]
            text, finish_reason = choice["message"]["content"], choice.get("finish_reason")
            logprobs = _first_logprobs(choice.get("logprobs"))
        except (ValueError, KeyError, IndexError, TypeError):
            return Answer.failed(f"no chat completion: {said}")
        if not isinstance(text, str):
            return Answer.failed(f"an answer without text: {said}")
        return Answer(text, finish_reason, None, None, logprobs)


def _first_logprobs(logprobs: dict[str, Any] | None) -> dict[str, float] | None:
    """Read the likeliest first tokens; None where the server gives none."""
    if not logprobs or not logprobs.get("content"):
        return None
    return {top["token"]: top["logprob"] for top in logprobs["content"][0]["top_logprobs"]}
