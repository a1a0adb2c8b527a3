"""An OpenAI-compatible server on loopback that judges by script, and the settings of its judge."""

import json
import re
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from training.settings.judge import JudgeSettings

KEY = "sk-secret-0123456789"
SHOWN = re.compile(r"<response_a>\n(.*?)\n</response_a>.*<response_b>\n(.*?)\n</response_b>", re.S)


class Server(ThreadingHTTPServer):
    """Prefers the longer response; a response that names an action has it carried out instead."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.requests: list[dict[str, Any]] = []
        self.arrivals: dict[str, list[float]] = defaultdict(list)
        self.meet: threading.Barrier | None = None
        self.inside = self.most_inside = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        a, b = SHOWN.search(body["messages"][0]["content"]).groups()
        with self.server.lock:
            self.server.requests.append({"path": self.path, "headers": self.headers, "body": body})
            self.server.arrivals[a + "|" + b].append(time.monotonic())
            attempt = len(self.server.arrivals[a + "|" + b])
            self.server.inside += 1
            self.server.most_inside = max(self.server.most_inside, self.server.inside)
        if self.server.meet is not None:
            self.server.meet.wait(timeout=30)
            time.sleep(0.1)  # a request too many would come in now
        with self.server.lock:
            self.server.inside -= 1  # before the answer, which lets the next request in
        self._act(a, b, attempt)

    def _act(self, a: str, b: str, attempt: int) -> None:
        said = a + b
        if "never" in said or ("hangs once" in said and attempt == 1):
            self.server.ended.wait()
        elif "fails twice" in said and attempt <= 2:
            self._send(500, b"overloaded")
        elif "hangs up" in said:
            self.close_connection = True
        elif "refused for good" in said:
            self._send(400, f"too long for {self.headers['Authorization']}".encode())
        elif "wrong key" in said:
            self._send(401, f"no such key: {self.headers['Authorization']}".encode())
        elif "not json" in said:
            self._send(200, b"<html>")
        elif "no choices" in said:
            self._send(200, b'{"choices": []}')
        elif "no text" in said:
            self._complete(None, "stop")
        elif "nonsense" in said:
            self._complete("I like both very much.", "stop")
        elif "cut short" in said:
            self._complete("On the one hand [[A]], on", "length")
        else:
            mark = "C" if len(a) == len(b) else "A" if len(a) > len(b) else "B"
            self._complete(f"I compared them.\n[[{mark}]]", "stop")

    def _complete(self, text: str | None, finish_reason: str) -> None:
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
        self._send(200, json.dumps({"choices": [choice]}).encode())

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        pass


def settings_of(server: Server, **changes: Any) -> JudgeSettings:
    named = {"address": server.address, "model": "m", "api_key_variable": "JUDGE_KEY"}
    return JudgeSettings(**named | {"timeout_s": 20.0, "retries": 2, "max_tokens": 64} | changes)
