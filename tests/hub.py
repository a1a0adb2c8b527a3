"""A hub of models and datasets on loopback: it answers as the hub's API does, and counts requests.

Pushes need the token `hf_secret`. Reads need no token, except in a private repository.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.json_handler import JsonHandler

TOKEN = "hf_secret"


class Hub(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.made: list[dict[str, Any]] = []
        """Bodies of the requests that make a repository."""
        self.files: dict[str, bytes] = {}
        """Files that were pushed, by name."""
        self.tokens: set[str | None] = set()
        """Tokens of all requests about repositories."""
        self.downloads: list[str] = []
        """Files whose content was asked for."""
        self.private: set[str] = set()
        """Repositories that need the token."""
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        """Files by repository (`models/ID`, `datasets/ID`), commit and path, the newest last."""

    def add(self, repository: str, files: Mapping[str, bytes]) -> str:
        """Add a commit to a repository, such as `models/me/policy`; return the commit."""
        commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.repositories.setdefault(repository, {})[commit] = dict(files)
        return commit

    def add_folder(self, repository: str, folder: Path) -> str:
        """Add the files of a folder as a commit."""
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        return self.add(
            repository, {str(file.relative_to(folder)): file.read_bytes() for file in files}
        )


class HubHandler(JsonHandler, BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self._read()
        self.server.tokens.add(self.headers["Authorization"])
        if "/paths-info/" in self.path:
            self._answer_paths(parse_qs(body.decode())["paths"])
        elif self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.answer({"error": "no write access"}, 403)
        elif self.path == "/api/repos/create":
            self.server.made.append(json.loads(body))
            self.answer({"url": f"{self.server.address}/me/policy", "id": "1"})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            answer = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            self.answer({"files": [{"path": name, **answer} for name in names]})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    file = line["value"]
                    self.server.files[file["path"]] = base64.b64decode(file["content"])
            address = f"{self.server.address}/me/policy/commit/abc"
            self.answer({"commitUrl": address, "commitOid": "abc", "success": True})
        else:
            self.answer({})

    def do_GET(self) -> None:
        if self.path != "/api/agent-harnesses":  # a public list that huggingface_hub reads once
            self.server.tokens.add(self.headers["Authorization"])
        match self._split():
            case ["api", kind, owner, name, *rest]:
                self._describe(f"{kind}/{owner}/{name}", *rest)
            case ["datasets", owner, name, "resolve", revision, *path]:
                self._send_file(f"datasets/{owner}/{name}", revision, "/".join(path))
            case [owner, name, "resolve", revision, *path]:
                self._send_file(f"models/{owner}/{name}", revision, "/".join(path))
            case _:
                self.answer({"error": "no such page"}, 404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _split(self) -> list[str]:
        return unquote(urlsplit(self.path).path).strip("/").split("/")

    def _describe(self, repository: str, *rest: str) -> None:
        match rest:
            case []:
                found = self._find(repository, "main")
            case ["revision" | "tree", revision, *_]:
                found = self._find(repository, revision)
            case _:
                return self.answer({"error": "no such page"}, 404)
        if found is None:
            return None
        commit, files = found
        if rest[:1] == ("tree",):
            recursive = "recursive=true" in urlsplit(self.path).query.lower()
            return self.answer(_list_entries(files, "/".join(rest[2:]), recursive))
        names = [{"rfilename": path} for path in files]
        facts = {"sha": commit, "siblings": names, "private": False, "tags": [], "downloads": 0}
        return self.answer({"id": repository.partition("/")[2], **facts})

    def _answer_paths(self, paths: list[str]) -> None:
        _, kind, owner, name, _, revision, *_ = self._split()
        found = self._find(f"{kind}/{owner}/{name}", revision)
        if found is not None:
            _, files = found
            entries = {entry["path"]: entry for entry in _list_entries(files, "", True)}
            self.answer([entries[path] for path in paths if path in entries])

    def _find(self, repository: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Find a commit with its files; without one, answer as the hub does."""
        commits = self.server.repositories.get(repository)
        token = self.headers["Authorization"]
        if commits is None or (repository in self.server.private and token != f"Bearer {TOKEN}"):
            self._refuse(401, "Repository not found", "RepoNotFound")
            return None
        commit = [*commits][-1] if revision == "main" else revision
        if commit not in commits:
            self._refuse(404, f"Invalid rev id: {revision}", "RevisionNotFound")
            return None
        return commit, commits[commit]

    def _send_file(self, repository: str, revision: str, path: str) -> None:
        found = self._find(repository, revision)
        if found is None:
            return
        commit, files = found
        if path not in files:
            self._refuse(404, "Entry not found", "EntryNotFound")
            return
        if self.command == "GET":
            self.server.downloads.append(path)
        identity = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha1(files[path]).hexdigest()}"'}
        self._send(200, files[path], identity)

    def _read(self) -> bytes:
        if self.headers["Transfer-Encoding"] != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _refuse(self, status: int, error: str, code: str) -> None:
        """Answer with an error as the hub does: huggingface_hub reads its code from a header."""
        body = json.dumps({"error": error}).encode()
        self._send(status, body, {"X-Error-Code": code, "Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _list_entries(files: Mapping[str, bytes], inside: str, recursive: bool) -> list[dict[str, Any]]:
    """List files and folders as the hub's API does."""
    folders = {str(one) for path in files for one in PurePosixPath(path).parents} - {"."}
    entries = [{"type": "directory", "path": path, "size": 0} for path in sorted(folders)]
    entries += [{"type": "file", "path": path, "size": len(files[path])} for path in files]
    return [
        {**entry, "oid": hashlib.sha1(entry["path"].encode()).hexdigest()}
        for entry in entries
        if str(PurePosixPath(entry["path"]).parent) == (inside or ".")
        or (recursive and entry["path"].startswith(inside and f"{inside}/"))
    ]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub on loopback, the only one that this process may reach, with an empty cache."""
    server = Hub()
    for name, value in {
        "ENDPOINT": server.address,
        "HUGGINGFACE_CO_URL_TEMPLATE": server.address + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_OFFLINE": False,
        "HF_HUB_CACHE": str(tmp_path / "hub_cache"),
        "HF_TOKEN_PATH": str(tmp_path / "stored_token"),
    }.items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    (tmp_path / "stored_token").write_text("hf_stored")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
