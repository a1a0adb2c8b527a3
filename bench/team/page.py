"""A run of the page: launched as by a click, queued by the daemon, executed as a Ray job."""

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any

from dagster_graphql import DagsterGraphQLClient

ENDED = ("SUCCESS", "FAILURE", "CANCELED")
POLL_S = 2.0
LAUNCHED = """
query ($id: ID!) {
  runOrError(runId: $id) { ... on Run { status startTime endTime creationTime } }
}
"""
HISTORY = """
query { runsOrError(limit: 100) { ... on Runs { results { status } } } }
"""


def find_page_problems(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what is wrong with the runs of one experiment: one failed, or two were active at once.

    Args:
        runs: status, startTime and endTime (s) of each.
    """
    if failed := [run["status"] for run in runs if run["status"] != "SUCCESS"]:
        return [f"a run of the page ended with {status}" for status in failed]
    ordered = sorted(runs, key=itemgetter("startTime"))
    overlaps = (later["startTime"] < earlier["endTime"] for earlier, later in pairwise(ordered))
    return ["two runs of one experiment were active at the same time"] if any(overlaps) else []


class Page:
    """The page of the team's Dagster."""

    def __init__(self, port: int) -> None:
        """Connect to the page."""
        self._client = DagsterGraphQLClient("127.0.0.1", port_number=port)

    def launch(self, job: str, experiment: str) -> str:
        """Launch a job for an experiment; return the id of its run."""
        return str(
            self._client.submit_job_execution(
                job, repository_location_name="prefloop", repository_name="__repository__",
                tags={"dagster/partition": experiment},
            )
        )  # fmt: skip

    def wait(self, run_id: str, longest_s: float) -> dict:
        """Wait until a run has ended; return its status and times.

        Raises:
            TimeoutError: it has not ended.
        """
        until = time.monotonic() + longest_s
        while time.monotonic() < until:
            run = self._client._execute(LAUNCHED, {"id": run_id})["runOrError"]
            if run["status"] in ENDED:
                return dict(run)
            time.sleep(POLL_S)
        raise TimeoutError(f"run {run_id} of the page has not ended after {longest_s:.0f} s")

    def list_statuses(self) -> Sequence[str]:
        """Return the statuses of all runs of the history, newest first."""
        return [run["status"] for run in self._client._execute(HISTORY)["runsOrError"]["results"]]
