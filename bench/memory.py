"""Largest resident memory of this process, for benchmarks that start child processes.

`getrusage` does not work: a child process inherits the largest figure of its parent.
"""

import re
from pathlib import Path


def peak_mib() -> int:
    """Read the peak memory of this process since it started its program, MiB (Linux's VmHWM)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return round(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024)
