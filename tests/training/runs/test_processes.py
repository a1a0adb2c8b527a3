"""The end of processes with what they started, with plain processes in their place."""

import subprocess
import sys

from training.runs import processes
from training.runs.processes import end_processes

CODE = """
import subprocess, sys, time
engine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
print(engine.pid, flush=True)
time.sleep(3600)
"""


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie, which nobody reaps in some containers."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return done.stdout.strip()[:1] not in ("", "Z")


def test_a_replica_ends_with_its_engine(monkeypatch):
    monkeypatch.setattr(processes, "END_S", 1.0)
    leader = subprocess.Popen(
        [sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with leader.stdout:
        engine = int(leader.stdout.readline())
    assert runs(engine)
    end_processes([leader])
    assert leader.returncode is not None
    assert not runs(engine)
