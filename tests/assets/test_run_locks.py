"""Slots of the pool: a killed run loses them, whoever started it; a living one keeps them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock

from assets.home import prepare_home
from assets.run_locks import LOCK, RUNS, locked_executor, release_dead_runs

HOLD = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("locked", flush=True)
    time.sleep(3600)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / RUNS).mkdir()
    return tmp_path


def list_holders(instance: dg.DagsterInstance) -> set[str]:
    return instance.event_log_storage.get_concurrency_info("gpu").active_run_ids


def test_a_killed_run_gives_its_slot_back(
    instance: dg.DagsterInstance, start_run: Callable[..., str], home: Path
) -> None:
    """Neither the number nor the host of its process matters: both may be those of a living one."""
    file = home / RUNS / "a.lock"
    run_id = start_run(**{LOCK: "a"})
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "locked\n"
        release_dead_runs(instance, home)
        assert list_holders(instance) == {run_id}
        process.kill()
    release_dead_runs(instance, home)
    assert list_holders(instance) == set()
    assert instance.get_run_by_id(run_id).status == dg.DagsterRunStatus.FAILURE
    assert list((home / RUNS).iterdir()) == []


def test_a_run_whose_lock_file_is_gone_is_dead(
    instance: dg.DagsterInstance, start_run: Callable[..., str], home: Path
) -> None:
    run_id = start_run(**{LOCK: "a"})
    release_dead_runs(instance, home)
    assert list_holders(instance) == set()
    assert instance.get_run_by_id(run_id).status == dg.DagsterRunStatus.FAILURE


def test_a_living_run_and_one_that_has_just_been_started_keep_it(
    instance: dg.DagsterInstance, start_run: Callable[..., str], home: Path
) -> None:
    run_id = start_run(**{LOCK: "a"})
    new_id = start_run()
    with FileLock(home / RUNS / "a.lock"):
        release_dead_runs(instance, home)
    assert list_holders(instance) == {run_id}
    assert instance.get_run_by_id(new_id).status == dg.DagsterRunStatus.STARTED


def test_an_ended_run_gives_its_slot_back(
    instance: dg.DagsterInstance, start_run: Callable[..., str], home: Path
) -> None:
    run_id = start_run()
    instance.report_run_failed(instance.get_run_by_id(run_id))
    assert list_holders(instance) == {run_id}
    release_dead_runs(instance, home)
    assert list_holders(instance) == set()


@dg.asset(pool="gpu")
def waiting() -> None:
    """Wait in the pool's slot until the process is killed."""
    os.write(1, b"waiting\n")
    if "WAIT" in os.environ:
        sys.stdin.read()


def make_job() -> dg.JobDefinition:
    job = dg.define_asset_job("job", [waiting])
    definitions = dg.Definitions(assets=[waiting], jobs=[job], executor=locked_executor)
    return definitions.resolve_job_def("job")


RUN = """
import dagster as dg
from tests.assets.test_run_locks import make_job
with dg.DagsterInstance.get() as instance:
    dg.execute_job(dg.reconstructable(make_job), instance=instance, raise_on_error=True)
"""


@pytest.mark.slow
def test_a_killed_run_of_the_page_gives_its_slot_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page, too, executes a job with the executor of the definitions."""
    home = prepare_home(tmp_path)
    root = str(Path(__file__).resolve().parents[2])
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    command, options = [sys.executable, "-c", RUN], {"cwd": root, "text": True}
    with subprocess.Popen(
        command,
        env=os.environ | {"WAIT": "1", "PYTHONPATH": root},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **options,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "waiting\n"
        with dg.DagsterInstance.get() as instance:
            release_dead_runs(instance, home)
            [run] = instance.get_runs()
            assert list_holders(instance) == {run.run_id}
            process.kill()
            process.wait()
            assert list_holders(instance) == {run.run_id}
    # the next run frees the slot before it needs it
    environment = os.environ | {"PYTHONPATH": root}
    subprocess.run(command, env=environment, check=True, timeout=120, **options)
    with dg.DagsterInstance.get() as instance:
        assert list_holders(instance) == set()
        statuses = [one.status for one in instance.get_runs()]
        assert statuses == [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    assert list((home / RUNS).iterdir()) == []
