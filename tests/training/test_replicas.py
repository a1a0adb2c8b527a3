"""The end of replicas, with plain processes in their place; sampling is in test_generation."""

import subprocess
import sys
import time

from training import replicas

CODE = """
import subprocess, sys, time
engine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(engine.pid, flush=True)
time.sleep(60)
"""


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie, which nobody reaps in some containers."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return done.stdout.strip()[:1] not in ("", "Z")


def test_a_replica_ends_with_its_engine(monkeypatch):
    monkeypatch.setattr(replicas, "END_S", 1.0)
    leader = subprocess.Popen(
        [sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with leader.stdout:
        engine = int(leader.stdout.readline())
    assert runs(engine)
    started = time.monotonic()
    replicas._end([leader])
    assert leader.returncode is not None
    assert not runs(engine)
    assert time.monotonic() - started < 10
