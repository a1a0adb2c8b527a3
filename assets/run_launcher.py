"""The launcher of a team's Dagster: a run of the page is a job of the Ray cluster.

`dagster_home/team/dagster.yaml` names it. The daemon asks it whether a run's process lives. Not
here: the settings of that file (docs/guide/team.md).
"""

from pathlib import Path

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster_ray import RayRunLauncher

from assets.materialize import PLANNED
from assets.run_locks import LOCK, has_ended


class TeamRunLauncher(RayRunLauncher):
    """Launches Ray jobs, and knows that a run of `prefloop run` is none."""

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Check whether the process of a run lives.

        Ray knows no job of `prefloop run`, whose process a person has started. The daemon would
        take it for dead; its lock shows whether it is.
        """
        if PLANNED not in run.tags:
            return super().check_run_worker_health(run)
        if has_ended(Path(self._instance.root_directory), run.tags[LOCK]):
            return CheckRunHealthResult(WorkerStatus.FAILED, "its process has ended")
        return CheckRunHealthResult(WorkerStatus.RUNNING)
