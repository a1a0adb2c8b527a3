"""A judge on a server with OpenAI's chat completions interface: requests, time limits, retries.

Not here: the texts of requests and the parsing of verdicts (`training.judging.rubrics`). Imports no
torch.

Uses httpx2 and not the openai client, because that client reads keys and headers from the
environment (`OPENAI_ADMIN_KEY`, `OPENAI_ORG_ID`) and would send them to any configured address.
"""

import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from itertools import islice
from typing import Any, cast

import anyio
import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal

from training.judging.rubrics import Answer, Conversation
from training.settings.judge import JudgeSettings
from transforms.errors import InputError

FIRST_PAUSE_S = 1.0
"""Seconds before a request is sent again; doubled before each further retry."""

REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
"""Status codes for a wrong key, address or model: every further request would fail as well."""

ERROR_CHARS = 500
"""Number of characters of a server's response in an error message."""


class _TryAgainError(Exception):
    """The request failed, but may succeed if it is sent again."""


@contextmanager
def open_remote_judge(settings: JudgeSettings, *, top_logprobs: int = 0) -> Iterator["RemoteJudge"]:
    """Open a client of the judge's server; leaving the block closes connections and thread.

    The key is read from an environment variable; a server without keys needs none.
    """
    key = os.environ.get(settings.api_key_variable, "")
    client = httpx2.AsyncClient(
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=None,  # httpx limits phases of a request; `_answer` limits the whole request
        limits=httpx2.Limits(max_connections=None),  # `answer_requests` limits them
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
        """Use an open client and the thread for its requests; nothing is sent yet."""
        self.settings, self._portal, self._client = settings, portal, client
        self._key, self._top_logprobs = key, top_logprobs
        # a remote judge has an address: JudgeSettings checks it
        self._url = f"{cast(str, settings.address).rstrip('/')}/chat/completions"

    def answer_requests(
        self, conversations: Iterable[Conversation]
    ) -> Iterator[tuple[int, Answer]]:
        """Yield the number and the answer of every request, in order of completion.

        Raises:
            InputError: the server does not accept the address, the model or the key.
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
        """Send a request until it is answered, permanently refused, or out of retries."""
        started, tries = time.perf_counter(), self.settings.retries + 1
        for attempt in range(tries):
            if attempt:
                await anyio.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1))
            try:
                answer = await self._answer(conversation)
            except _TryAgainError as failure:
                answer = Answer.from_error(
                    f"{failure} ({tries} times)" if tries > 1 else str(failure)
                )
                continue
            break
        error = answer.error
        if error is not None and self._key:
            error = error.replace(self._key, "***")  # a server may repeat the request
        return replace(answer, error=error, elapsed_s=time.perf_counter() - started)

    async def _answer(self, conversation: Conversation) -> Answer:
        """Send a request once; an error that a retry would not change becomes the answer."""
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
        shown = f"HTTP {status}: {response.text[:ERROR_CHARS]}"
        if status in REFUSED:
            raise InputError(
                f"the judge at {self.settings.address} refuses requests",
                expected=f"a chat completions server with the model {self.settings.model}",
                found=shown.replace(self._key, "***") if self._key else shown,
                remedy="correct judge.address or judge.model, or set the environment variable"
                f" {self.settings.api_key_variable} to a valid key",
            )
        if status >= 500 or status in (408, 409, 429):
            raise _TryAgainError(shown)
        if status != HTTPStatus.OK:
            return Answer.from_error(shown)
        try:
            choice = response.json()["choices"][0]
            text, finish_reason = choice["message"]["content"], choice.get("finish_reason")
            logprobs = _read_first_logprobs(choice.get("logprobs"))
        except (ValueError, KeyError, IndexError, TypeError):
            return Answer.from_error(f"no chat completion: {shown}")
        if not isinstance(text, str):
            return Answer.from_error(f"an answer without text: {shown}")
        return Answer(text, finish_reason, None, None, logprobs)


def _read_first_logprobs(logprobs: dict[str, Any] | None) -> dict[str, float] | None:
    """Return the log-probabilities of the most likely first tokens; None without any."""
    if not logprobs or not logprobs.get("content"):
        return None
    return {top["token"]: top["logprob"] for top in logprobs["content"][0]["top_logprobs"]}
