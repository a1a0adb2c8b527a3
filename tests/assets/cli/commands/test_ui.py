import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from assets.cli.commands import ui


def test_a_taken_port_is_replaced_by_a_free_one() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        taken = server.getsockname()[1]
        free = ui.find_port(taken)
        assert free != taken
    assert ui.find_port(free) == free


def test_a_browser_opens_when_the_port_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(ui.webbrowser, "open", opened.append)
    monkeypatch.setattr(ui.sys, "platform", "linux")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        ui.open_browser("http://there", port)
        assert opened == []
        monkeypatch.setenv("DISPLAY", ":0")
        ui.open_browser("http://there", port)
    assert opened == ["http://there"]


PAGE = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
try:
    (folder / "started").touch()
    time.sleep(120)
except KeyboardInterrupt:
    (folder / "ended").touch()
"""


def test_the_page_ends_with_the_command(tmp_path: Path) -> None:
    def end_command() -> None:
        while not (tmp_path / "started").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    threading.Thread(target=end_command, daemon=True).start()
    assert ui.run_page([sys.executable, "-c", PAGE, str(tmp_path)], os.environ) == 0
    assert (tmp_path / "ended").exists()
    assert signal.getsignal(signal.SIGTERM) is before
