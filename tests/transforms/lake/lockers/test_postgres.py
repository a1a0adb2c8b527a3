"""Locks in a Postgres that the tests start, if its programs (initdb, postgres) are here."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.locks import POSTGRES, check_locks, lock_all_slices, lock_slice

pytestmark = pytest.mark.slow
ASSET = "iteration_1/generations"
HOLDER = """
import sys, time
from transforms.lake.lake import Lake
from transforms.lake.locks import lock_slice
with lock_slice(Lake(sys.argv[1]), "iteration_1/generations", "e", wait=print):
    print("has it", flush=True)
    time.sleep(100)
"""


@pytest.fixture(scope="module")
def postgres():
    sqlalchemy = pytest.importorskip("sqlalchemy")
    pytest.importorskip("psycopg2")
    if not shutil.which("initdb") or not shutil.which("postgres"):
        pytest.skip("no programs initdb and postgres")
    # Postgres refuses to run as root
    user = ["setpriv", "--reuid=nobody", "--clear-groups"] if os.getuid() == 0 else []
    port = random.randrange(12_000, 22_000)
    with tempfile.TemporaryDirectory() as folder:
        if user:
            shutil.chown(folder, "nobody")
        subprocess.run(
            [*user, "initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "prefloop"],
            check=True, capture_output=True,
        )  # fmt: skip
        server = subprocess.Popen(
            [*user, "postgres", "-D", f"{folder}/data", "-k", folder, "-p", str(port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        url = f"postgresql+psycopg2://prefloop@127.0.0.1:{port}/postgres"
        for _ in range(100):
            try:
                sqlalchemy.create_engine(url).connect().close()
                break
            except sqlalchemy.exc.OperationalError:
                time.sleep(0.2)
        yield url
        server.send_signal(signal.SIGQUIT)
        server.wait()


@pytest.fixture
def lake(postgres, tmp_path, monkeypatch):
    monkeypatch.setenv(POSTGRES, postgres)
    return Lake(tmp_path / "lake")


@pytest.fixture
def holder(lake):
    """Another process, which has the lock of a slice."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, lake.root], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "has it\n"
    yield process
    process.kill()
    process.wait()


def test_the_lock_of_a_killed_process_is_free(lake, holder):
    messages = []

    def kill_and_note(message):
        messages.append(message)
        holder.send_signal(signal.SIGKILL)

    with lock_slice(lake, ASSET, "e", wait=kill_and_note) as waited:
        assert waited
    assert f"is being made by process {holder.pid} on " in messages[0]


def test_other_slices_and_other_lakes_are_free_and_maintenance_is_refused(lake, holder, tmp_path):
    for other, experiment in ((lake, "f"), (Lake(tmp_path / "other"), "e")):
        with lock_slice(other, ASSET, experiment, wait=pytest.fail) as waited:
            assert not waited
    with pytest.raises(InputError, match=f"a lock of process {holder.pid}"), lock_all_slices(lake):
        pass
    holder.kill()
    holder.wait()
    with lock_all_slices(lake):
        pass


def test_the_doctor_takes_the_lock_twice(lake, monkeypatch):
    assert check_locks(lake) == "those of a database, for all hosts"
    monkeypatch.setenv(POSTGRES, "postgresql+psycopg2://prefloop@127.0.0.1:9/postgres")
    with pytest.raises(InputError, match="OperationalError"):
        check_locks(lake)
    assert not Path(lake.root).exists()
