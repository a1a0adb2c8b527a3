import tomllib
from pathlib import Path

import dagster as dg

from assets.cli.study_run.origin import add_origin

ROOT = Path(__file__).resolve().parents[4]


def test_a_run_has_the_code_location_of_the_ui() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    job = dg.JobDefinition(name="job", graph_def=dg.GraphDefinition(name="job"))
    with dg.DagsterInstance.ephemeral() as instance:
        add_origin(instance, "job")
        run_id = job.execute_in_process(instance=instance).run_id
        origin = instance.get_run_by_id(run_id).remote_job_origin
    assert origin.job_name == "job"
    location = origin.repository_origin.code_location_origin
    assert location.location_name == settings["code_location_name"]
    assert location.loadable_target_origin.module_name == settings["code_location_target_module"]
