"""Requests and errors of a judge on a server: real HTTP on loopback, answers by script."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from training.judging import remote_judge
from training.judging.chat_completions import read_completion
from training.judging.judge import describe_judge
from training.judging.remote_judge import _read_pause, open_remote_judge
from training.judging.rubrics import Answer
from training.settings.judge import JudgeSettings
from transforms.errors import InputError

Script = Callable[[dict[str, Any]], tuple[int, dict[str, str], str]]

DONE = json.dumps({"choices": [{"message": {"content": "[[A]]"}, "finish_reason": "stop"}]})


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((time.monotonic(), body))
        status, headers, content = self.server.script(body)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content.encode())), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    monkeypatch.setattr(remote_judge, "FIRST_PAUSE_S", 0.01)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as started:
        started.requests = []
        thread = threading.Thread(target=started.serve_forever, args=(0.01,))
        thread.start()
        yield started
        started.shutdown()
        thread.join()


def settings_of(server: Any, **changes: Any) -> JudgeSettings:
    address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    return JudgeSettings(**{"address": address, "model": "m", "retries": 1} | changes)


def ask(server: Any, script: Script, *texts: str, **changes: Any) -> list[Answer]:
    server.script = script
    conversations = [[{"role": "user", "content": text}] for text in texts]
    with open_remote_judge(settings_of(server, **changes)) as judge:
        return [answer for _, answer in sorted(judge.answer_requests(conversations))]


def text_of(body: dict[str, Any]) -> str:
    return body["messages"][0]["content"]


def test_the_fields_of_a_request_can_be_changed(server):
    done: Script = lambda body: (200, {}, DONE)  # noqa: E731
    ask(server, done, "a")
    ask(
        server,
        done,
        "a",
        max_tokens_field="max_completion_tokens",
        temperature=None,
        extra_fields={"reasoning_effort": "low"},
    )
    messages = [{"role": "user", "content": "a"}]
    assert [body for _, body in server.requests] == [
        {"model": "m", "messages": messages, "max_tokens": 512, "temperature": 0.0},
        {
            "model": "m",
            "messages": messages,
            "max_completion_tokens": 512,
            "reasoning_effort": "low",
        },
    ]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"extra_fields": {"stream": True}}, "extra_fields contains stream"),
        ({"extra_fields": {"model": "x", "n": 2}}, "extra_fields contains model, n"),
        ({"temperature": float("inf")}, "temperature"),
    ],
)
def test_fields_that_the_request_needs_are_refused(changes, error):
    with pytest.raises(ValidationError, match=error):
        JudgeSettings(address="http://a", model="m", **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": None},
        {"extra_fields": {"a": 1}},
        {"max_tokens_field": "max_completion_tokens"},
    ],
)
def test_a_judge_in_this_process_has_no_request_to_change(changes):
    with pytest.raises(ValidationError, match="path"):
        JudgeSettings(path="p", **changes)


def test_changed_fields_make_another_judge(server):
    def judge_id(**changes: Any) -> str:
        return describe_judge(
            JudgeSettings(address="http://a", model="m", **changes), dtype="float32"
        ).item(0, "judge_id")

    others = [
        {"max_tokens_field": "max_completion_tokens"},
        {"temperature": None},
        {"extra_fields": {"reasoning_effort": "low"}},
        {"extra_fields": {"reasoning_effort": "high"}},
    ]
    assert len({judge_id(), *[judge_id(**other) for other in others]}) == 5


def test_all_requests_wait_as_long_as_the_server_asks(server):
    refused: list[str] = []

    def script(body):
        if not refused:
            refused.append(text_of(body))
            return 429, {"Retry-After": "1"}, "slow down"
        return 200, {}, DONE

    answers = ask(server, script, *"abcd", concurrency=1)
    assert [answer.text for answer in answers] == ["[[A]]"] * 4
    (first, _), *others = server.requests
    assert min(moment for moment, _ in others) - first >= 1.0


def test_a_pause_of_hours_is_an_error_and_no_pause(server):
    (answer,) = ask(server, lambda body: (429, {"Retry-After": "90000"}, "quota is used up"), "a")
    assert answer.error == "HTTP 429: quota is used up"
    assert len(server.requests) == 1


def test_a_pause_is_a_number_or_a_date():
    now = datetime.now(UTC)
    assert [_read_pause(header) for header in ("7", " 1.5 ", "-3", "nan", "soon", None)] == [
        7.0, 1.5, 0.0, 0.0, 0.0, 0.0,
    ]  # fmt: skip
    assert 50 < _read_pause(format_datetime(now + timedelta(minutes=1), usegmt=True)) <= 60
    assert _read_pause(format_datetime(now - timedelta(minutes=1), usegmt=True)) == 0


def test_equal_client_errors_stop_early(server):
    def script(body):
        number = f"req-{len(server.requests):012}"
        return 400, {}, f"max_tokens is not supported, use max_completion_tokens ({number})"

    with pytest.raises(InputError, match=r"(?s)16 equal errors .* max_completion_tokens"):
        ask(server, script, *map(str, range(10_000)))
    assert len(server.requests) < 32


def test_errors_of_single_requests_do_not_stop_the_others(server):
    def script(body):
        number = int(text_of(body))
        if number % 20 == 0:
            return 200, {}, DONE
        return 400, {}, f"{9000 + number} tokens, at most 8192" if number > 60 else "flagged"

    texts = [str(number) for number in range(100) if number > 60 or number % 20 < 10]
    answers = ask(server, script, *texts, concurrency=1)
    assert sum(answer.error is None for answer in answers) == 5
    flagged = ask(server, script, *["1"] * 40, max_equal_errors=None)
    assert {answer.error for answer in flagged} == {"HTTP 400: flagged"}


def completion(message: Any, **choice: Any) -> bytes:
    return json.dumps({"choices": [{"message": message, **choice}]}).encode()


def test_thoughts_that_took_all_tokens_are_an_answer_without_text():
    message = {"content": None, "reasoning_content": "[[A]]"}
    answer = read_completion(completion(message, finish_reason="length"), "")
    assert (answer.text, answer.error) == ("", None)
    assert read_completion(completion(message, finish_reason="stop"), "x").error is not None


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"{}", b'{"choices": {}}', b'{"choices": []}', b'{"choices": [{}]}', b"\xff",
        completion("text"), completion({"content": 5}), completion({"content": "\ud800"}),
        completion({"content": "a"}, finish_reason=3), completion({"content": "a"}, logprobs="x"),
        completion({"content": "a"}, logprobs={"content": [{"top_logprobs": [{"token": "m"}]}]}),
        completion(
            {"content": "a"},
            logprobs={"content": [{"top_logprobs": [{"token": "m", "logprob": 1e9}]}]},
        ),
    ],
)  # fmt: skip
def test_a_response_of_another_shape_is_an_error_of_its_request(content):
    answer = read_completion(content, "HTTP 200: ...")
    assert (answer.text, answer.error) == (None, "no chat completion: HTTP 200: ...")


KEYS = st.sampled_from(["choices", "message", "content", "logprobs"])


@given(
    st.recursive(
        st.none() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    )
)
def test_no_json_breaks_the_reading(value):
    answer = read_completion(json.dumps(value).encode(), "x")
    assert (answer.text is None) != (answer.error is None)
