"""What tests of assets share: a judge behind an address, and a run that holds the pool's slot."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

ASKED = re.compile(
    r"<conversation>\n(.*?)\n</conversation>.*<response_a>\n(.*?)\n</response_a>"
    r".*<response_b>\n(.*?)\n</response_b>",
    re.S,
)

Prefer = Callable[[str, str, str], float]
"""(conversation, response A, response B) -> above 0 where A is better, 0 for a tie."""


@pytest.fixture(scope="session")
def serve_judge(serve_chat) -> Callable[[Prefer], str]:
    """Start a judge that prefers by a function; its address."""

    def serve(prefer: Prefer) -> str:
        def answer(body: dict[str, Any]) -> dict[str, Any]:
            preference = prefer(*ASKED.search(body["messages"][-1]["content"]).groups())
            mark = "A" if preference > 0 else "B" if preference < 0 else "C"
            message = {"role": "assistant", "content": f"Compared.\n[[{mark}]]"}
            return {"message": message, "finish_reason": "stop"}

        return serve_chat(answer)

    return serve


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster with one slot per pool."""
    with dg.DagsterInstance.local_temp(
        str(tmp_path), overrides={"concurrency": {"pools": {"default_limit": 1}}}
    ) as instance:
        yield instance


@pytest.fixture
def start_run(instance: dg.DagsterInstance) -> Callable[..., str]:
    """Record a run, with tags, that has started and holds the one slot of the pool; its id."""

    def start(**tags: str) -> str:
        run = instance.create_run_for_job(
            dg.JobDefinition(name="job", graph_def=dg.GraphDefinition(name="job")),
            status=dg.DagsterRunStatus.STARTED,
            tags=tags,
        )
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default("gpu")
        storage.claim_concurrency_slot("gpu", run.run_id, "step")
        return run.run_id

    return start
