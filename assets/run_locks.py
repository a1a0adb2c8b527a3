"""Locks of Dagster runs, by which the slots of killed runs are found and freed.

The process of every run has a lock, also that of a run from the Dagster UI: a file of its home or,
with `PREFLOOP_POSTGRES`, a lock of that database, which all hosts see. It ends with the process,
for whatever reason.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import dagster as dg
from dagster._core.events import DagsterEvent
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor

from transforms.lake.lockers.locker import Held, Locker
from transforms.lake.locks import open_locker
from transforms.teardown import quiet_teardown

LOCK = "prefloop/lock"
"""Tag of a run: the name of the lock that its process has."""
RUNS = "runs"
UNFINISHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


class LockedExecutor(InProcessExecutor):
    """Runs all steps of a run from the Dagster UI in its own process, which holds the run's lock.

    A step in a process of its own would go on after the run's process was killed.
    """

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[DagsterEvent]:
        """Free the slots of dead runs, then run the steps."""
        quiet_teardown()
        instance = plan_context.instance
        home = Path(instance.root_directory)
        release_dead_runs(instance, home)
        with lock_run(home) as lock:
            instance.add_run_tags(plan_context.run_id, {LOCK: lock})
            yield from super().execute(plan_context, execution_plan)


@dg.executor(name="locked")
def locked_executor(_: dg.InitExecutorContext) -> LockedExecutor:
    """Build the executor of runs from the Dagster UI."""
    return LockedExecutor(RetryMode.DISABLED)


@contextmanager
def lock_run(home: Path) -> Iterator[str]:
    """Take a new lock for the runs of this process; yield its name."""
    (home / RUNS).mkdir(parents=True, exist_ok=True)
    name = uuid4().hex
    held = _find_locker(home).acquire(name)
    try:
        yield name
    finally:
        _end(home, name, held)


def has_ended(home: Path, name: str) -> bool:
    """Check whether the process with a lock has ended."""
    held = _find_locker(home).try_acquire(name)
    if held is not None:
        _end(home, name, held)
    return held is not None


def release_dead_runs(instance: dg.DagsterInstance, home: Path) -> None:
    """Mark runs whose process has ended as failed, and free the pool's slots of ended runs.

    A killed run keeps its slot in Dagster's storage, and the next run would wait for it forever.
    A run without a lock has just been started, and holds no slot.
    """
    storage = instance.event_log_storage
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        if LOCK in run.tags and has_ended(home, run.tags[LOCK]):
            instance.report_run_failed(run, "its process has ended")
    for run_id in storage.get_concurrency_run_ids():
        holder = instance.get_run_by_id(run_id)
        if holder is None or holder.is_finished:
            storage.free_concurrency_slots_for_run(run_id)


def _find_locker(home: Path) -> Locker:
    return open_locker("runs", home / RUNS)


def _end(home: Path, name: str, held: Held) -> None:
    """Release a lock, and remove its files, of which a lock in a database has none."""
    for file in (home / RUNS).glob(f"{name}.*"):
        file.unlink()
    held.release()
