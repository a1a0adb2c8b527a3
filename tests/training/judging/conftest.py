"""A running server that judges by script."""

import threading
from collections.abc import Iterator

import pytest

from tests.training.judging.judge_server import KEY, Server
from training.judging import remote_judge


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(remote_judge, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setenv("JUDGE_KEY", KEY)
    with Server() as started:
        thread = threading.Thread(target=started.serve_forever, args=(0.01,))
        thread.start()
        yield started
        started.ended.set()
        started.shutdown()
        thread.join()
