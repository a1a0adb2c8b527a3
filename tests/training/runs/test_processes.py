"""The end of processes with what they started, with plain processes in their place."""

import subprocess
import sys
import time

import psutil
import pytest
from filelock import FileLock, Timeout

from training.runs import launch as launching
from training.runs.processes import end_processes, start_guarded
from transforms.errors import InputError

WORKER = "import os, time; os.setsid(); print(os.getpid(), flush=True); time.sleep(3600)"
LAUNCHER = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {WORKER!r}])
time.sleep(3600)
"""
"""A launcher as accelerate is one: its worker has a session of its own."""
ORPHANING = LAUNCHER.replace("time.sleep(3600)\n", "time.sleep(1)\n", 1)

DRIVER = """
import sys, time
from pathlib import Path
from training.runs.launch import _follow
_follow([sys.executable, "-c", sys.argv[1]], None, Path(sys.argv[2]))
"""
ENGINE_DRIVER = """
import subprocess, sys, time
from training.runs.processes import guard_children
engine = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=sys.stderr)
time.sleep(1)
guard = guard_children()
time.sleep(3600)
"""


def has_ended(pid: int) -> bool:
    """Wait until a process is gone or a zombie, which nobody reaps in some containers."""
    for _ in range(300):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


def test_a_command_ends_with_what_it_started():
    guard = start_guarded([sys.executable, "-c", LAUNCHER], stdout=subprocess.PIPE, text=True)
    with guard.stdout:
        worker = int(guard.stdout.readline())
    assert psutil.pid_exists(worker)
    end_processes([guard])
    assert guard.returncode is not None
    assert has_ended(worker)


def test_a_worker_whose_launcher_is_gone_ends_too(tmp_path):
    guard = start_guarded([sys.executable, "-c", ORPHANING], stdout=subprocess.PIPE, text=True)
    with guard.stdout:
        worker = int(guard.stdout.readline())
    guard.wait()
    assert has_ended(worker)
    end_processes([guard])


def test_the_status_of_a_command_is_that_of_its_guard():
    for code, status in (("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)):
        guard = start_guarded([sys.executable, "-c", code])
        assert guard.wait() == status
        end_processes([guard])


def test_a_killed_driver_leaves_no_worker_and_no_lock(tmp_path, monkeypatch):
    """A rerun waits as long as a worker lives, because it works in the same folders."""
    lock = tmp_path / ".policy.lock"
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, LAUNCHER, str(lock)], stderr=subprocess.PIPE, text=True
    )
    with driver.stderr:
        worker = int(driver.stderr.readline())
    with pytest.raises(Timeout):
        FileLock(lock).acquire(timeout=0)
    monkeypatch.setattr(launching, "WAIT_S", 0.1)
    with pytest.raises(InputError, match="in use"):
        launching._wait_for_processes(lock)
    driver.kill()
    driver.wait()
    monkeypatch.setattr(launching, "WAIT_S", 60)
    launching._wait_for_processes(lock)
    assert has_ended(worker)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_driver_leaves_no_engine_that_it_started_itself():
    driver = subprocess.Popen(
        [sys.executable, "-c", ENGINE_DRIVER, WORKER], stderr=subprocess.PIPE, text=True
    )
    with driver.stderr:
        engine = int(driver.stderr.readline())
        time.sleep(3)  # the driver starts its guard
        assert psutil.pid_exists(engine)
        driver.kill()
        driver.wait()
    assert has_ended(engine)
