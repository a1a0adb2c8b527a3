"""The driver of the demonstration: `prefloop run` as a process of its own, and what it prints."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from assets.home import ROOT

STARTED = re.compile(r"(\S+) \[(\w+)\] starts")
DONE = re.compile(r"(\S+) \[(\w+)\] done in ([\d.]+) s")
LEFT = re.compile(
    r"(?P<asset>\S+): (?P<left>\d+ (?:prompts to sample|responses to score)|step \d+/\d+)"
)
"""What an asset begins with: rows that are missing, or the first step that a training logs."""
LOCAL = tuple(f"{key}.cluster=null" for key in ("devices", "sft", "reward_model", "loop.dpo"))
"""Settings of a run on one machine."""
END_S = 180.0
"""Seconds in which the processes of a killed driver must have ended."""


@dataclass(frozen=True)
class Driver:
    """The command `prefloop run` on one recipe, one experiment."""

    recipe: Path
    home: Path
    lake: str
    until: Sequence[str] = ()
    settings: Sequence[str] = ()

    @property
    def log(self) -> Path:
        """Return the file of what it prints."""
        return self.home / "driver.log"

    def start(self) -> "Attempt":
        """Start the command; it goes on where an earlier one has ended."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        command = [sys.executable, "-c", "from assets.cli.app import app; app()", "run"]
        command += [str(self.recipe), "--home", str(self.home), "--lake", self.lake]
        command += ["--experiment", "iterative"]
        for option, values in (("--until", self.until), ("--set", self.settings)):
            for value in values:
                command += [option, value]
        offset = self.log.stat().st_size
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                cwd=ROOT, env=os.environ | {"COLUMNS": "200"}, start_new_session=True,
            )  # fmt: skip
        return Attempt(process, self.log, offset)

    def run(self) -> "Attempt":
        """Run the command to its end.

        Raises:
            RuntimeError: it failed; the message has its last words.
        """
        with self.start() as attempt:
            while attempt.is_running():
                time.sleep(0.2)
        attempt.require_success()
        return attempt


def read_seconds(printed: str) -> dict[str, float]:
    """Read the seconds of each finished asset, in order, from what drivers have printed."""
    return {match[1]: float(match[3]) for match in DONE.finditer(printed)}


@dataclass
class Attempt:
    """One process of the driver; ended with the block that it is used in."""

    process: subprocess.Popen
    log: Path
    offset: int
    """Bytes of the log that earlier processes have written."""
    begun: float = field(default_factory=time.monotonic)
    started_s: dict[str, float] = field(default_factory=dict)
    """Seconds from the start of the process to the start of each asset, in order."""
    ended_s: float = 0.0
    """Seconds of the process."""

    def __enter__(self) -> "Attempt":
        """Return the attempt."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the process, if it still runs: as with Ctrl-C, then by SIGKILL."""
        for number in (signal.SIGINT, signal.SIGKILL):
            if self.process.poll() is None:
                self.process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(END_S)

    def is_running(self) -> bool:
        """Read what the process has printed; check whether it still runs."""
        status = self.process.poll()
        self.ended_s = round(time.monotonic() - self.begun, 1)
        for match in STARTED.finditer(self.read()):
            self.started_s.setdefault(match[1], self.ended_s)
        return status is None

    def read(self) -> str:
        """Return what the process has printed so far."""
        with self.log.open("rb") as log:
            log.seek(self.offset)
            return log.read().decode("utf-8", errors="replace")

    def read_seconds(self) -> dict[str, float]:
        """Return the seconds of each asset that this process has finished, in order."""
        return read_seconds(self.read())

    def find_left(self, asset: str) -> str:
        """Return what an asset began with: missing rows, or its first step; else nothing."""
        found = (match["left"] for match in LEFT.finditer(self.read()) if match["asset"] == asset)
        return next(found, "")

    def kill(self) -> float:
        """Kill the process alone, by SIGKILL; return the seconds until all that it started ended.

        Raises:
            RuntimeError: processes are left.
        """
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait()
        killed = time.monotonic()
        left = psutil.wait_procs(children, timeout=END_S)[1]
        if left:
            raise RuntimeError(f"processes of the killed driver are left: {left}")
        return round(time.monotonic() - killed, 1)

    def require_success(self) -> None:
        """Raise a RuntimeError with the last words of the process if it has failed."""
        if self.process.returncode:
            words = self.read()[-4000:]
            raise RuntimeError(f"prefloop run ended with {self.process.returncode}:\n{words}")
