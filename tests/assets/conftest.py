"""A judge behind an address, for tests: real HTTP on loopback, verdicts by a function."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

ASKED = re.compile(
    r"<conversation>\n(.*?)\n</conversation>.*<response_a>\n(.*?)\n</response_a>"
    r".*<response_b>\n(.*?)\n</response_b>",
    re.S,
)

Prefer = Callable[[str, str, str], float]
"""(conversation, response A, response B) -> above 0 where A is better, 0 for a tie."""


class Handler(BaseHTTPRequestHandler):
    server: "JudgeServer"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        preference = self.server.prefer(*ASKED.search(body["messages"][-1]["content"]).groups())
        mark = "A" if preference > 0 else "B" if preference < 0 else "C"
        message = {"role": "assistant", "content": f"Compared.\n[[{mark}]]"}
        answer = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: Any) -> None:
        pass


class JudgeServer(ThreadingHTTPServer):
    def __init__(self, prefer: Prefer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.prefer = prefer


@pytest.fixture(scope="session")
def serve_judge() -> Iterator[Callable[[Prefer], str]]:
    """Start a judge that prefers by a function; its address."""
    servers: list[JudgeServer] = []

    def serve(prefer: Prefer) -> str:
        servers.append(JudgeServer(prefer))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}/v1"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()
