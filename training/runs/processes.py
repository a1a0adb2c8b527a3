"""Ending processes that were started in sessions of their own, with everything they started.

vLLM's engine and accelerate's workers outlive the process that started them and keep its GPU.
"""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

POLL_S = 0.2
END_S = 10.0
"""Seconds between SIGTERM and SIGKILL. A child of a process that ignores SIGTERM ignores it too."""


def end_processes(processes: Sequence[subprocess.Popen]) -> None:
    """End the process group of each, by SIGTERM and after `END_S` by SIGKILL, and reap them."""
    _signal(processes, signal.SIGTERM)
    deadline = time.monotonic() + END_S
    while _signal(processes, 0) and time.monotonic() < deadline:
        time.sleep(POLL_S)
        for process in processes:
            process.poll()  # a dead process counts until it is reaped
    _signal(processes, signal.SIGKILL)
    for process in processes:
        process.wait()


def _signal(processes: Sequence[subprocess.Popen], number: int) -> bool:
    """Signal each process group; return whether one of the groups still exists."""
    exists = False
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
            exists = True
    return exists
