"""The guard of child processes, a command that `training.runs.processes` starts.

The processes of vLLM's engine and of accelerate keep running, and keep their GPU, after the process
that started them has ended, however it ended. The guard reads a pipe that closes at that moment,
and then ends them. On Linux it becomes the parent of the orphans of what it started, so that none
is lost. Imports no torch.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
from filelock import FileLock

POLL_S = 0.2
END_S = 10.0
"""Seconds between SIGTERM and SIGKILL, for a process that ignores SIGTERM, or whose children do."""
SUBREAPER = 36
"""Option of Linux's prctl: orphans among the descendants become children of this process."""


def main() -> None:
    """Run a command (`LOCK COMMAND...`), or watch processes (`--watch PID...`).

    With a command, the guard holds the lock (an empty text: none) until all that the command
    started has ended, and ends with the status of the command.
    """
    if sys.argv[1] == "--watch":
        watched = [psutil.Process(int(number)) for number in sys.argv[2:]]
        while not _is_parent_gone():
            pass
        _end(lambda: watched)
        return
    lock, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    with ExitStack() as stack:
        if lock:
            stack.enter_context(FileLock(lock))
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        while process.poll() is None and not _is_parent_gone():
            pass
        _end(lambda: psutil.Process().children(recursive=True))
        if lock:
            Path(lock).unlink(missing_ok=True)
    status = process.wait()
    sys.exit(128 - status if status < 0 else status)


def _is_parent_gone() -> bool:
    """Wait for `POLL_S` seconds at most; return whether the other end of the pipe was closed."""
    return bool(select.select([sys.stdin], [], [], POLL_S)[0]) and not os.read(0, 1)


def _end(find: Callable[[], Sequence[psutil.Process]]) -> None:
    """End processes with SIGTERM, after `END_S` with SIGKILL, until there are no more."""
    number = signal.SIGTERM
    while found := [one for one in find() if one.is_running()]:
        for one in found:
            with suppress(psutil.NoSuchProcess):
                one.send_signal(number)
        psutil.wait_procs(found, timeout=END_S)
        number = signal.SIGKILL


if __name__ == "__main__":
    main()
