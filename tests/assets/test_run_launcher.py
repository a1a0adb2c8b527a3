"""The launcher of a team: whether a run's process lives."""

import dagster as dg
import pytest

pytest.importorskip("dagster_ray")

from dagster._core.launcher.base import WorkerStatus

from assets.materialize import PLANNED
from assets.run_launcher import RayRunLauncher, TeamRunLauncher
from assets.run_locks import LOCK, lock_run


class Instance:
    def __init__(self, home):
        self.root_directory = str(home)


@pytest.fixture
def instance(tmp_path):
    return Instance(tmp_path)


@pytest.fixture
def launcher(instance, monkeypatch):
    """A launcher whose cluster knows no job."""
    monkeypatch.setattr(RayRunLauncher, "check_run_worker_health", lambda self, run: "of a job")
    launcher = TeamRunLauncher(address="127.0.0.1:1")
    launcher.register_instance(instance)
    return launcher


def test_a_run_of_the_page_is_a_job(launcher):
    run = dg.DagsterRun(job_name="job", tags={LOCK: "a"})
    assert launcher.check_run_worker_health(run) == "of a job"


def test_a_run_of_the_command_line_lives_as_long_as_its_lock(launcher, tmp_path):
    with lock_run(tmp_path) as lock:
        run = dg.DagsterRun(job_name="job", tags={LOCK: lock, PLANNED: "1"})
        assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
    assert launcher.check_run_worker_health(run).status == WorkerStatus.FAILED
