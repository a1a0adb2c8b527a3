import os
import socket
from pathlib import Path

import dagster as dg
import psutil
import pytest

from assets.cli.run import HOST, PROCESS, release_dead_runs


@pytest.fixture
def instance(tmp_path: Path):
    with dg.DagsterInstance.local_temp(
        str(tmp_path), overrides={"concurrency": {"pools": {"default_limit": 1}}}
    ) as instance:
        yield instance


def started_run(instance: dg.DagsterInstance, process: int) -> str:
    """Record a run of this machine that has started and holds the pool's one slot."""
    run = instance.create_run_for_job(
        dg.JobDefinition(name="job", graph_def=dg.GraphDefinition(name="job")),
        status=dg.DagsterRunStatus.STARTED,
        tags={HOST: socket.gethostname(), PROCESS: str(process)},
    )
    storage = instance.event_log_storage
    storage.initialize_concurrency_limit_to_default("gpu")
    storage.claim_concurrency_slot("gpu", run.run_id, "step")
    return run.run_id


def dead_process() -> int:
    return next(pid for pid in range(300_000, 400_000) if not psutil.pid_exists(pid))


def test_a_killed_run_gives_its_slot_back(instance: dg.DagsterInstance) -> None:
    run_id = started_run(instance, dead_process())
    assert instance.event_log_storage.get_concurrency_info("gpu").active_run_ids == {run_id}
    release_dead_runs(instance)
    assert not instance.event_log_storage.get_concurrency_info("gpu").active_run_ids
    assert instance.get_run_by_id(run_id).status == dg.DagsterRunStatus.FAILURE


def test_a_living_run_keeps_it(instance: dg.DagsterInstance) -> None:
    run_id = started_run(instance, os.getpid())
    release_dead_runs(instance)
    assert instance.event_log_storage.get_concurrency_info("gpu").active_run_ids == {run_id}
