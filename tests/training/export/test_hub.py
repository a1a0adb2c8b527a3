"""The push of a folder to a hub: a small server that answers like the hub's API."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from training.export.hub import push_folder, read_token
from transforms.errors import InputError


class Hub(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.made: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.tokens: set[str | None] = set()


class HubHandler(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = self._read()
        self.server.tokens.add(self.headers["Authorization"])
        if self.headers["Authorization"] != "Bearer hf_secret":
            self._answer(403, {"error": "no write access"})
        elif self.path == "/api/repos/create":
            self.server.made.append(json.loads(body))
            self._answer(200, {"url": f"{self.server.address}/me/policy", "id": "1"})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            answer = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            self._answer(200, {"files": [{"path": name, **answer} for name in names]})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    file = line["value"]
                    self.server.files[file["path"]] = base64.b64decode(file["content"])
            address = f"{self.server.address}/me/policy/commit/abc"
            self._answer(200, {"commitUrl": address, "commitOid": "abc", "success": True})
        else:
            self._answer(200, {})

    def do_GET(self) -> None:
        self._answer(403, {"error": "no read access"})

    def _read(self) -> bytes:
        if self.headers["Transfer-Encoding"] != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on loopback, the only one that this process may reach."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    server = Hub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "README.md").write_text("card")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_folder_is_pushed_to_a_private_repository(hub: Hub, folder: Path) -> None:
    address = push_folder(
        folder, "me/policy", token="hf_secret", public=False, endpoint=hub.address
    )
    assert address == f"{hub.address}/me/policy/commit/abc"
    assert hub.made == [{"name": "policy", "organization": "me", "visibility": "private"}]
    assert hub.files == {"README.md": b"card", "model.safetensors": b"weights"}
    assert hub.tokens == {"Bearer hf_secret"}


def test_a_new_repository_is_public_if_that_is_wanted(hub: Hub, folder: Path) -> None:
    push_folder(folder, "me/policy", token="hf_secret", public=True, endpoint=hub.address)
    assert [one["visibility"] for one in hub.made] == ["public"]


def test_a_refused_push_names_the_token_and_keeps_the_folder(hub: Hub, folder: Path) -> None:
    with pytest.raises(InputError, match="cannot be pushed to me/policy") as refused:
        push_folder(folder, "me/policy", token="hf_wrong", public=False, endpoint=hub.address)
    assert "HF_TOKEN" in str(refused.value)
    assert "hf_wrong" not in str(refused.value)
    assert (folder / "README.md").exists()


def test_the_token_comes_from_the_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(InputError, match="without a token"):
        read_token("me/policy")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert read_token("me/policy") == "hf_secret"
    with pytest.raises(InputError, match="OWNER/NAME"):
        read_token("policy")
