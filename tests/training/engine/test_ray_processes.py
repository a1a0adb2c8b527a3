"""Replicas on a Ray cluster: files in messages, refusals, restarts; and what is killed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import SimpleNamespace

import polars as pl
import psutil
import pytest

from training.engine import ray_processes
from training.engine.chunk_folder import ChunkFolder
from training.engine.ray_processes import RayProcesses, read_files, write_files
from transforms.errors import InputError


def test_a_message_has_complete_new_files_up_to_its_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_processes, "MESSAGE_BYTES", 5)
    node, here, known = tmp_path / "node", tmp_path / "here", set()
    for name in ("a.parquet", "b.parquet", "c.jsonl", "d.partial", "run.json"):
        (node / "0-chunks").mkdir(parents=True, exist_ok=True)
        (node / "0-chunks" / name).write_bytes(b"1234")
    here.mkdir()
    found = []
    while files := read_files(node, "0-*/*", known):
        found.append([*files])
        write_files(here, files, set())
    assert found == [["0-chunks/a.parquet", "0-chunks/b.parquet"], ["0-chunks/c.jsonl"]]
    assert {file.name for file in (here / "0-chunks").iterdir()} == {
        "a.parquet", "b.parquet", "c.jsonl",
    }  # fmt: skip


class LostError(Exception):
    pass


def finish(calls, given) -> None:
    """Pass the answers of the last actor that was made, until the replica has ended."""
    next(calls)
    with suppress(StopIteration):
        while True:
            answer = given[-1].pop(0)
            if isinstance(answer, Exception):
                calls.throw(answer)
            else:
                calls.send(answer)


@pytest.fixture
def replica(tmp_path, monkeypatch):
    """A replica on actors whose answers are given, one list per actor; its exit status."""
    (tmp_path / "0.err").write_text("CUDA error")
    (tmp_path / "0.out").write_text("")

    def run(*actors, missing=()):
        answers = [[list(missing), None, *actor] for actor in actors]
        started = iter(answers)
        ray = SimpleNamespace(exceptions=SimpleNamespace(RayError=LostError))
        monkeypatch.setattr(ray_processes, "connect", lambda: ray)
        one = RayProcesses.__new__(RayProcesses)
        one._ray, one._work, one._ended, one._actors = ray, tmp_path, {}, {}
        one._commands = {0: ["python", "-m", "stage", "--policy", "/models/policy"]}
        remote = SimpleNamespace(remote=lambda *arguments: None)
        actor = SimpleNamespace(find_missing=remote, start=remote, exchange=remote)
        given = []
        one._actor = SimpleNamespace(remote=lambda: given.append(next(started)) or actor)
        one._stop = lambda index: None
        finish(one._run(0), given)
        return one._ended[0], len(given)

    return run


ROWS = ({"answers/a.jsonl": b""}, None)  # no input of a later process


def ended(status: int) -> tuple[dict[str, bytes], int]:
    return {"0.out": b"", "0.err": b"CUDA error"}, status


def test_a_lost_replica_is_started_again(replica):
    assert replica([ROWS, ended(0)]) == (0, 1)
    assert replica([ROWS, ended(2)], [ended(0)]) == (0, 2)
    assert replica([ended(137)], [ended(0)]) == (0, 2)
    assert replica([LostError()], [LostError()], [ROWS, LostError()], [ended(0)]) == (0, 4)


def test_a_process_that_fails_before_its_first_rows_is_not_started_again(replica):
    assert replica([ended(1)]) == (1, 1)
    assert replica([ended(139)]) == (139, 1)
    assert replica([ROWS, ended(137)], [ended(1)]) == (1, 2)


@pytest.mark.parametrize("last", [ended(1), LostError("CUDA error")])
def test_restarts_are_bounded_and_the_last_reason_is_shown(replica, last):
    with pytest.raises(RuntimeError, match=r"(?s)replica 0 has failed 4 times.*CUDA error"):
        replica(*[[ROWS, last] for _ in range(5)])


def test_a_node_without_the_model_is_refused(replica):
    with pytest.raises(InputError, match=r"has no /models/policy(.|\n)*PREFLOOP_CACHE"):
        replica([], missing=["/models/policy"])


def find_stages() -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [])[1:3] == ["-m", "tests.training.engine.fake_stage"]
    ]


def assert_whole(found: pl.DataFrame) -> None:
    assert found.sort("n")["n"].to_list() == [2 * n for n in range(10)]


class KillAt:
    """Keeps chunks; kills processes with SIGKILL when there are three."""

    def __init__(self, find) -> None:
        self.chunks, self.find = [], find

    def __call__(self, chunk: pl.DataFrame) -> None:
        self.chunks.append(chunk)
        if len(self.chunks) == 3:
            for pid in self.find():
                os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_process_of_a_replica_costs_no_row(ray_nodes, double):
    commit = KillAt(lambda: find_stages()[:1])
    double("slow", "slow", commit=commit, cluster="ray")
    assert_whole(pl.concat(commit.chunks))


@pytest.mark.slow
def test_a_killed_driver_costs_no_row_and_leaves_no_process(ray_nodes, double, numbers, tmp_path):
    code = """
import sys
from pathlib import Path
import polars as pl
from training.engine.chunk_folder import ChunkFolder
from training.engine.replicas import run_on_replicas
from training.settings.model import DeviceSettings
from tests.training.engine.conftest import FAKE
folder = ChunkFolder(Path(sys.argv[1])); folder.claim({})
rows = pl.DataFrame({"id": [f"row-{i}" for i in range(10)], "n": range(10)})
two = DeviceSettings(replicas=2, cluster="ray")
run_on_replicas(FAKE, rows, [{"mode": "slow"}] * 2, two, settings=two, commit=folder.write,
                description="fake")
"""
    folder = ChunkFolder(tmp_path / "chunks")
    with subprocess.Popen([sys.executable, "-c", code, str(folder.folder)]) as driver:
        while len(folder.list_files()) < 3:
            assert driver.poll() is None
            time.sleep(0.1)
        driver.kill()
    kept = folder.read()
    assert kept.height < 10
    while find_stages():  # the actors end with their driver, and the processes with the actors
        time.sleep(0.5)
    missing = folder.select_missing(numbers, ["id"])
    double("", "", rows=missing, commit=folder.write, cluster="ray")
    assert_whole(folder.read())


@pytest.mark.slow
def test_a_killed_node_costs_no_row(ray_nodes, double):
    """The last test of this cluster. One CPU is left, so the replicas run one after the other."""

    def find_node() -> list[int]:
        raylet = ray_nodes[1].all_processes["raylet"][0].process.pid
        return [raylet, *(child.pid for child in psutil.Process(raylet).children(recursive=True))]

    commit = KillAt(find_node)
    double("slow", "slow", commit=commit, cluster="ray")
    assert_whole(pl.concat(commit.chunks))
