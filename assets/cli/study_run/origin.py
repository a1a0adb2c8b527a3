"""Origin of the runs of the command line: the code location of the Dagster UI.

The timeline of the UI shows only runs with a code location. A run in this process has none, and
Dagster has no argument for it.
"""

import sys
from functools import partial

import dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

LOCATION = "prefloop"
"""Name of the code location (`code_location_name` in pyproject.toml)."""
MODULE = "assets.definitions"
REPOSITORY = "__repository__"


def add_origin(instance: dg.DagsterInstance, job: str) -> None:
    """Give every run that this instance makes the code location of the UI.

    Args:
        instance: the study's instance, of this process alone.
        job: name of the job.
    """
    location = ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(module_name=MODULE), LOCATION
    )
    remote = RemoteJobOrigin(RemoteRepositoryOrigin(location, REPOSITORY), job)
    code = RepositoryPythonOrigin(sys.executable, ModuleCodePointer(MODULE, "defs"))
    create = partial(
        instance.create_run_for_job,
        remote_job_origin=remote,
        job_code_origin=JobPythonOrigin(job, code),
    )
    vars(instance)["create_run_for_job"] = create
