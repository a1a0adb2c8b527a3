"""Ending child processes, and freeing this process's memory between stages.

The processes of vLLM's engine and of accelerate keep running, and keep their GPU, after the process
that started them has ended. Imports no torch.
"""

import gc
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

POLL_S = 0.2
END_S = 10.0
"""Seconds between SIGTERM and SIGKILL, for a process that ignores SIGTERM, or whose children do."""


def end_processes(processes: Sequence[subprocess.Popen]) -> None:
    """End the process group of each process with SIGTERM, after `END_S` with SIGKILL; reap them."""
    _signal(processes, signal.SIGTERM)
    deadline = time.monotonic() + END_S
    while _signal(processes, 0) and time.monotonic() < deadline:
        time.sleep(POLL_S)
        for process in processes:
            process.poll()  # a dead process exists until it is reaped
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


def free_stage_memory() -> None:
    """Free the memory of the last stage, and exclude the remaining objects from later collections.

    accelerate and vLLM collect garbage several times per stage, to free device memory. Each time
    Python walks through every living object. The modules of torch, transformers, TRL and vLLM have
    so many objects that one walk takes most of a second. `gc.freeze` excludes the objects that are
    alive now, which are mostly modules; they are still freed when nothing refers to them. Call this
    between stages, when no model is loaded.
    """
    gc.collect()
    gc.freeze()
