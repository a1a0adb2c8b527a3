"""Lineage as OpenLineage events, for Marquez and other catalogues that take them.

Lives here: run events of outputs, and posting them. One asset's run is a START and a COMPLETE; ids
of runs follow from what was made, so that an event posted twice is the same event.
Source: OpenLineage 2-0-2, https://openlineage.io/spec/2-0-2/OpenLineage.json.
"""

import os
import uuid
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import httpx2

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.settings.overrides import flatten
from transforms.views.lineage.outputs import Input, Lineage, Output

SPEC = "https://openlineage.io/spec"
PRODUCER = "urn:prefloop"
NAMESPACE = "prefloop"
"""Namespace of jobs. Datasets are files: namespace `file` and a path."""
KEY_VARIABLE = "OPENLINEAGE_API_KEY"
TIMEOUT_S = 10.0


def run_events(lake: Lake, lineage: Lineage, inputs: Iterable[Input]) -> list[dict[str, Any]]:
    """Write everything that inputs descend from as run events, sources first."""
    return [
        event
        for output in lineage.upstream(inputs)
        for event in _events(lake, output, list(lineage.resolve(output.inputs)))
    ]


def post_events(address: str, events: Iterable[dict[str, Any]]) -> int:
    """Post events, in their order; return how many.

    Args:
        address: where events are taken, such as http://127.0.0.1:5000/api/v1/lineage. A key is
            read from the environment (`OPENLINEAGE_API_KEY`) and sent as a bearer token.
        events: from `run_events`.

    Raises:
        InputError: the address does not answer, or refuses an event.
    """
    key = os.environ.get(KEY_VARIABLE, "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    posted = 0
    try:
        with httpx2.Client(headers=headers, timeout=TIMEOUT_S) as client:
            for event in events:
                answer = client.post(address, json=event)
                if not answer.is_success:
                    raise _refused(address, f"HTTP status {answer.status_code}", posted)
                posted += 1
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise _refused(address, f"{type(error).__name__}: {error}", posted) from None
    return posted


def _events(lake: Lake, output: Output, inputs: list[Output]) -> Iterator[dict[str, Any]]:
    """Write the start and the end of one asset's run."""
    ended = output.created_at
    started = ended - timedelta(seconds=output.elapsed_s or 0.0)
    made = f"{output.asset}/{output.output_id}/{ended.isoformat()}"
    facets = {
        "jobRunParameters": _facet(
            "facets/1-0-0/JobRunParametersFacet.json#/$defs/JobRunParametersFacet",
            parameters=[{"key": key, "value": value} for key, value in flatten(output.settings)],
        )
    }
    if output.run_id is not None:
        facets["parent"] = _facet(
            "facets/1-0-1/ParentRunFacet.json#/$defs/ParentRunFacet",
            run={"runId": output.run_id},
            job={"namespace": NAMESPACE, "name": "prefloop run"},
        )
    common = {
        "producer": PRODUCER,
        "schemaURL": f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, made)), "facets": facets},
        "job": {"namespace": NAMESPACE, "name": f"{output.asset} [{output.experiments[0]}]"},
    }
    read = [_dataset(lake, one) for one in inputs]
    yield common | {"eventType": "START", "eventTime": started.isoformat(), "inputs": read}
    yield common | {
        "eventType": "COMPLETE",
        "eventTime": ended.isoformat(),
        "inputs": read,
        "outputs": [_dataset(lake, output)],
    }


def _dataset(lake: Lake, output: Output) -> dict[str, Any]:
    """Name a table at its version, or a checkpoint's folder."""
    table, _, version = output.output_id.partition("@")
    path = lake.path(table) if version else lake.root / "checkpoints" / output.output_id
    facet = _facet(
        "facets/1-0-0/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet",
        datasetVersion=version or output.output_id,
    )
    return {"namespace": "file", "name": str(path), "facets": {"version": facet}}


def _facet(schema: str, **facts: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": f"{SPEC}/{schema}", **facts}


def _refused(address: str, found: str, posted: int) -> InputError:
    return InputError(
        f"{address} did not take the events",
        expected="an OpenLineage address that answers a post, such as .../api/v1/lineage",
        found=f"{found}, after {posted} events",
        remedy=f"check the address, and the key in {KEY_VARIABLE} if it needs one",
    )
