"""Starting child processes that end with this one, and freeing its memory between stages.

Not here: the process that ends them (`training.runs.guard`). Imports no torch.
"""

import gc
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

GUARD = [sys.executable, "-m", "training.runs.guard"]


def start_guarded(
    command: Sequence[str], *, lock: Path | None = None, **options: Any
) -> subprocess.Popen:
    """Start a command under a guard, which ends it and all that it starts when this process ends.

    Args:
        command: the command; its standard input is empty.
        lock: file that is locked until the command and all that it started have ended; None: none.
        options: arguments of `subprocess.Popen`.

    Returns:
        The guard. Its status is that of the command. `end_processes` ends both.
    """
    # a session of its own, so that Ctrl-C reaches this process only, which then ends the command
    return subprocess.Popen(
        [*GUARD, str(lock or ""), *command],
        stdin=subprocess.PIPE,
        start_new_session=True,
        **options,
    )


def write_options(options: Mapping[str, object]) -> list[str]:
    """Write options by name as words of a command; an underscore in a name becomes a hyphen.

    Paths become absolute, because another machine has another working directory.
    """
    words = []
    for name, value in options.items():
        text = str(value.absolute() if isinstance(value, Path) else value)
        words += [f"--{name.replace('_', '-')}", text]
    return words


def guard_children() -> subprocess.Popen | None:
    """Start a guard for the present children of this process; it ends them if this process dies.

    Returns:
        The guard, to be killed when the children are no longer needed; None without children.
    """
    children = [str(child.pid) for child in psutil.Process().children(recursive=True)]
    if not children:
        return None
    return subprocess.Popen(
        [*GUARD, "--watch", *children], stdin=subprocess.PIPE, start_new_session=True
    )


def end_processes(guards: Sequence[subprocess.Popen]) -> None:
    """End guarded commands and all that they started, first with SIGTERM; reap the guards."""
    for guard in guards:
        if guard.stdin:
            guard.stdin.close()
    for guard in guards:
        guard.wait()


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
