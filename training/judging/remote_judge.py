"""A judge on a server with OpenAI's chat completions interface: requests, time limits, retries.

Not here: the texts of requests and the parsing of verdicts (`training.judging.rubrics`), the
content of a response (`training.judging.chat_completions`). Imports no torch.

Uses httpx2 and not the openai client, because that client reads keys and headers from the
environment (`OPENAI_ADMIN_KEY`, `OPENAI_ORG_ID`) and would send them to any configured address.
"""

import os
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import islice
from typing import Any, cast

import anyio
import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal

from training.judging.chat_completions import read_completion
from training.judging.rubrics import Answer, Conversation
from training.settings.judge import JudgeSettings
from transforms.errors import InputError

FIRST_PAUSE_S = 1.0
"""Seconds before a request is sent again; doubled before each further retry."""

LONGEST_PAUSE_S = 3600.0
"""Longest pause that a server may ask for by Retry-After, seconds; a longer one is an error."""

REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND)
"""Status codes for a wrong key, address or model: every further request would fail as well."""

REQUEST_ID = re.compile(r"\b(?=\w*\d)[\w-]{9,}")
"""A word of an error that differs between equal errors: a number of the request, a time."""

SECONDS = re.compile(r"\s*\d{1,9}(?:\.\d+)?\s*")

ERROR_CHARS = 500
"""Number of characters of a server's response in an error message."""


class _TryAgainError(Exception):
    """The request failed, but may succeed if it is sent again."""

    def __init__(self, error: str, pause_s: float = 0.0) -> None:
        super().__init__(error)
        self.pause_s = pause_s
        """Pause that the server asks for, seconds."""


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
        self._wait_until = 0.0  # by time.monotonic: the server asks for a pause of all requests
        self._last_error, self._equal_errors = "", 0

    def answer_requests(
        self, conversations: Iterable[Conversation]
    ) -> Iterator[tuple[int, Answer]]:
        """Yield the number and the answer of every request, in order of completion.

        Raises:
            InputError: the server does not accept the address, the model, the key or a setting.
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
            while (pause_s := self._wait_until - time.monotonic()) > 0:
                await anyio.sleep(pause_s)
            try:
                answer = await self._answer(conversation)
            except _TryAgainError as failure:
                self._wait_until = max(self._wait_until, time.monotonic() + failure.pause_s)
                answer = Answer.from_error(
                    f"{failure} ({tries} times)" if tries > 1 else str(failure)
                )
                continue
            break
        return replace(answer, elapsed_s=time.perf_counter() - started)

    async def _answer(self, conversation: Conversation) -> Answer:
        """Send a request once; an error that a retry would not change becomes the answer."""
        body: dict[str, Any] = {
            "model": self.settings.model,
            "messages": conversation,
            self.settings.max_tokens_field: self.settings.max_tokens,
            **self.settings.extra_fields,
        }
        if self.settings.temperature is not None:
            body["temperature"] = self.settings.temperature
        if self._top_logprobs:
            body |= {"logprobs": True, "top_logprobs": self._top_logprobs}
        try:
            with anyio.fail_after(self.settings.timeout_s):
                response = await self._client.post(self._url, json=body)
        except TimeoutError:
            raise _TryAgainError(f"no answer within {self.settings.timeout_s:g} s") from None
        except httpx2.RequestError as failure:
            raise _TryAgainError(self._hide_key(f"{type(failure).__name__}: {failure}")) from None
        status = response.status_code
        shown = self._hide_key(f"HTTP {status}: {response.text[:ERROR_CHARS]}")
        if status in REFUSED:
            raise self._refuse(shown)
        if status >= 500 or status in (408, 409, 429):
            pause_s = _read_pause(response.headers.get("Retry-After"))
            if pause_s <= LONGEST_PAUSE_S:
                raise _TryAgainError(shown, pause_s)
        if status != HTTPStatus.OK:
            self._count_error(shown)
            return Answer.from_error(shown)
        self._equal_errors = 0
        return read_completion(response.content, shown)

    def _count_error(self, shown: str) -> None:
        """Count equal errors one after the other.

        Raises:
            InputError: there are `max_equal_errors` of them.
        """
        error = REQUEST_ID.sub("", shown)
        self._equal_errors = self._equal_errors + 1 if error == self._last_error else 1
        self._last_error = error
        limit = self.settings.max_equal_errors
        if limit is not None and self._equal_errors >= limit:
            raise self._refuse(f"{limit} equal errors one after the other: {shown}")

    def _refuse(self, found: str) -> InputError:
        return InputError(
            f"the judge at {self.settings.address} refuses requests",
            expected=f"a chat completions server with the model {self.settings.model} that accepts"
            " the settings of `judge`",
            found=found,
            remedy="correct judge.address, judge.model or the setting that the server names"
            " (judge.max_tokens_field, temperature: null and extra_fields change the fields of a"
            f" request), or set the environment variable {self.settings.api_key_variable} to a"
            " valid key; if the server refuses the texts, set judge.max_equal_errors to null",
        )

    def _hide_key(self, text: str) -> str:
        """Replace the key, which a server may repeat in its errors."""
        return text.replace(self._key, "***") if self._key else text


def _read_pause(header: str | None) -> float:
    """Return the seconds of a Retry-After header, which contains a number or a date; 0 without one.

    Source: RFC 9110, section 10.2.3.
    """
    if header is None:
        return 0.0
    if SECONDS.fullmatch(header):
        return float(header)
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return 0.0  # neither: the pauses of retries remain
    return max((date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)
