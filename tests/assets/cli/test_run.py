import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock

from assets.cli.run import LOCK, RUNS, release_dead_runs

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


@pytest.fixture
def instance(home: Path):
    with dg.DagsterInstance.local_temp(
        str(home), overrides={"concurrency": {"pools": {"default_limit": 1}}}
    ) as instance:
        yield instance


def started_run(instance: dg.DagsterInstance, **tags: str) -> str:
    """Record a run that has started and holds the pool's one slot."""
    run = instance.create_run_for_job(
        dg.JobDefinition(name="job", graph_def=dg.GraphDefinition(name="job")),
        status=dg.DagsterRunStatus.STARTED,
        tags=tags,
    )
    storage = instance.event_log_storage
    storage.initialize_concurrency_limit_to_default("gpu")
    storage.claim_concurrency_slot("gpu", run.run_id, "step")
    return run.run_id


def list_holders(instance: dg.DagsterInstance) -> set[str]:
    return instance.event_log_storage.get_concurrency_info("gpu").active_run_ids


def test_a_killed_run_gives_its_slot_back(instance: dg.DagsterInstance, home: Path) -> None:
    """Neither the number nor the host of its process matters: both may be those of a living one."""
    file = home / RUNS / "a.lock"
    run_id = started_run(instance, **{LOCK: file.name})
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


def test_a_run_whose_lock_file_is_gone_is_dead(instance: dg.DagsterInstance, home: Path) -> None:
    run_id = started_run(instance, **{LOCK: "a.lock"})
    release_dead_runs(instance, home)
    assert list_holders(instance) == set()
    assert instance.get_run_by_id(run_id).status == dg.DagsterRunStatus.FAILURE


def test_a_living_run_and_a_run_of_the_page_keep_it(
    instance: dg.DagsterInstance, home: Path
) -> None:
    run_id = started_run(instance, **{LOCK: "a.lock"})
    page_id = started_run(instance)
    with FileLock(home / RUNS / "a.lock"):
        release_dead_runs(instance, home)
    assert list_holders(instance) == {run_id}
    assert instance.get_run_by_id(page_id).status == dg.DagsterRunStatus.STARTED
