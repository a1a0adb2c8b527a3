"""Lineage as OpenLineage run events, for Marquez and other lineage servers.

Lives here: building the events, and posting them with OpenLineage's own client (extra `lineage`).
Each output has a START and a COMPLETE event. The run's id is computed from the output, so
posting an event twice changes nothing.
"""

import json
import os
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    DatasetFacet,
    RunFacet,
    dataset_version_dataset,
    execution_parameters_run,
    parent_run,
)
from openlineage.client.transport.http import (
    ApiKeyTokenProvider,
    HttpConfig,
    HttpTransport,
    TokenProvider,
)
from openlineage.client.transport.http_common import DEFAULT_RETRY_CONFIG
from requests import HTTPError, RequestException

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.settings.overrides import flatten
from transforms.views.lineage.outputs import Input, Lineage, Output

PRODUCER = "urn:prefloop"
NAMESPACE = "prefloop"
"""Namespace of jobs. Datasets are files: namespace `file` and a path."""
KEY_VARIABLE = "OPENLINEAGE_API_KEY"
TIMEOUT_S = 10.0
RETRIES = 3
"""Further attempts after a lost connection or a server error, with growing pauses."""


def build_run_events(lake: Lake, lineage: Lineage, inputs: Iterable[Input]) -> list[RunEvent]:
    """Build the run events of the inputs and of all their ancestors, sources first."""
    return [
        event
        for output in lineage.upstream(inputs)
        for event in _build_events(lake, output, list(lineage.resolve(output.inputs)))
    ]


def post_events(address: str, events: Iterable[RunEvent]) -> int:
    """Post events in order and return their number.

    Args:
        address: full URL for events, such as http://127.0.0.1:5000/api/v1/lineage. A key is read
            from the environment (`OPENLINEAGE_API_KEY`) and sent as a bearer token.
        events: from `build_run_events`.

    Raises:
        InputError: there is no answer from the address, or an event is refused.
    """
    key = os.environ.get(KEY_VARIABLE)
    config = HttpConfig(
        url=address,
        endpoint="",
        timeout=TIMEOUT_S,
        auth=ApiKeyTokenProvider({"api_key": key}) if key else TokenProvider({}),
        retry=DEFAULT_RETRY_CONFIG | {"total": RETRIES},
    )
    posted = 0
    try:
        transport = HttpTransport(config)
        for event in events:
            transport.emit(event)
            posted += 1
    except HTTPError as error:
        status = "unknown" if error.response is None else error.response.status_code
        raise _refused(address, f"HTTP status {status}", posted) from None
    except (RequestException, ValueError) as error:
        raise _refused(address, f"{type(error).__name__}: {error}", posted) from None
    return posted


def _build_events(lake: Lake, output: Output, inputs: list[Output]) -> Iterator[RunEvent]:
    """Build the start and the end event of one output's run."""
    ended = output.created_at
    started = ended - timedelta(seconds=output.elapsed_s or 0.0)
    made = f"{output.asset}/{output.output_id}/{ended.isoformat()}"
    run = Run(str(uuid.uuid5(uuid.NAMESPACE_URL, made)), _build_facets(output))
    job = Job(NAMESPACE, f"{output.asset} [{output.experiments[0]}]")
    read = [InputDataset("file", _path(lake, one), facets=_describe_version(one)) for one in inputs]
    written = OutputDataset("file", _path(lake, output), facets=_describe_version(output))
    states: list[tuple[RunState, datetime, list[OutputDataset]]] = [
        (RunState.START, started, []),
        (RunState.COMPLETE, ended, [written]),
    ]
    for state, time, outputs in states:
        yield RunEvent(
            eventType=state,
            eventTime=time.isoformat(),
            run=run,
            job=job,
            inputs=read,
            outputs=outputs,
            producer=PRODUCER,
        )


def _build_facets(output: Output) -> dict[str, RunFacet]:
    """Build facets of a run: its settings, and the Dagster run that it belongs to."""
    parameters = [
        execution_parameters_run.ExecutionParameter(
            key=key, value=value if isinstance(value, str) else json.dumps(value)
        )
        for key, value in flatten(output.settings)
    ]
    facets: dict[str, RunFacet] = {
        "executionParameters": execution_parameters_run.ExecutionParametersRunFacet(
            parameters=parameters, producer=PRODUCER
        )
    }
    if output.run_id is not None:
        facets["parent"] = parent_run.ParentRunFacet(
            run=parent_run.Run(output.run_id),
            job=parent_run.Job(NAMESPACE, "prefloop run"),
            producer=PRODUCER,
        )
    return facets


def _path(lake: Lake, output: Output) -> str:
    """Return the path of a table or of a checkpoint's folder."""
    table, _, version = output.output_id.partition("@")
    checkpoint = lake.store.address(f"checkpoints/{output.output_id}")
    return lake.address(table) if version else checkpoint


def _describe_version(output: Output) -> dict[str, DatasetFacet]:
    """Build the facet of a table's version or of a checkpoint's id."""
    version = output.output_id.rpartition("@")[2]
    facet = dataset_version_dataset.DatasetVersionDatasetFacet(
        datasetVersion=version, producer=PRODUCER
    )
    return {"version": facet}


def _refused(address: str, found: str, posted: int) -> InputError:
    return InputError(
        f"{address} did not accept the events",
        expected="an OpenLineage address that accepts a POST request, such as .../api/v1/lineage",
        found=f"{found}, after {posted} events",
        remedy=f"check the address, and the key in {KEY_VARIABLE} if it needs one",
    )
