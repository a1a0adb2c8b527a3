"""Processes of a run: the end of those that it started, and the memory of its own between stages.

vLLM's engine and accelerate's workers outlive the process that started them and keep its GPU.
Imports no torch.
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


def free_stage_memory() -> None:
    """Free what a stage has left, and leave what remains out of later garbage collections.

    accelerate and vLLM collect garbage several times per stage, to give a device its memory back.
    Each time Python walks through every living object, and the modules of torch, transformers, TRL
    and vLLM are so many that one walk takes most of a second. `gc.freeze` takes what is alive now,
    modules above all, out of these walks; it is still freed when nothing refers to it. Call this
    between stages, when no model is loaded.
    """
    gc.collect()
    gc.freeze()
