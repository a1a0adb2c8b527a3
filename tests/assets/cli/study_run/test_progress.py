import logging
import subprocess
import sys
from pathlib import Path

import pytest

from assets.cli.study_run.progress import Progress, print_last_lines, show_progress
from assets.logger import CONSOLE, HANDLER


def message(progress: Progress, text: str) -> str:
    record = logging.LogRecord("x", logging.INFO, "", 0, text, None, None)
    assert progress.filter(record)
    return record.msg


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("assets.cli.study_run.progress.time.monotonic", lambda: now[0])
    return now


def test_the_first_message_of_an_asset_has_its_place_and_the_times(clock: list[float]) -> None:
    progress = Progress(["a", "iteration_1/b"], {"a": 100.0, "iteration_1/b": 20.0})
    assert message(progress, "a [x] starts") == (
        "[1/2] a [x] starts; 0.0 s elapsed, about 2 min 0 s left"
    )
    clock[0] += 90
    assert message(progress, "a [x] done in 90 s: id") == "a [x] done in 90 s: id"
    assert message(progress, "iteration_1/b [x] starts") == (
        "[2/2] iteration_1/b [x] starts; 1 min 30 s elapsed, about 20 s left"
    )
    assert message(progress, "iteration_1/b [x] starts") == "iteration_1/b [x] starts"


def test_no_time_is_expected_without_a_measured_one(clock: list[float]) -> None:
    progress = Progress(["a", "b"], {"a": 1.0})
    assert message(progress, "a [x] starts") == "[1/2] a [x] starts; 0.0 s elapsed"


def test_a_run_prints_the_place_of_an_asset(clock: list[float]) -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "job - id - a [x] starts", None, None)
    record.dagster_meta = {"orig_message": "a [x] starts"}
    with show_progress(["a"], {}), CONSOLE.capture() as captured:
        HANDLER.handle(record)
    assert "[1/1] a [x] starts; 0.0 s elapsed" in captured.get()


NOISY = """
import os, subprocess, sys
from pathlib import Path
from assets.cli.study_run.progress import divert_output
from assets.logger import CONSOLE

with divert_output(Path(sys.argv[1])):
    print("of python")
    subprocess.run(["sh", "-c", "echo of a process; echo of its errors >&2"])
    CONSOLE.print("our line")
print("after")
CONSOLE.print("our last line")
"""


def test_the_output_of_libraries_goes_to_a_file(tmp_path: Path) -> None:
    file = tmp_path / "run.log"
    words = [sys.executable, "-c", NOISY, str(file)]
    found = subprocess.run(words, capture_output=True, text=True, check=True)
    assert (found.stdout, found.stderr) == ("after\n", "our line\nour last line\n")
    lines = sorted(file.read_text().splitlines())
    assert lines == ["of a process", "of its errors", "of python"]


def test_an_error_shows_the_last_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.log"
    print_last_lines(file)
    file.write_text("".join(f"line {number}\n" for number in range(30)))
    print_last_lines(file)
    printed = capsys.readouterr().err
    assert "line 29" in printed
    assert "line 9\n" not in printed
