import json
import threading
import uuid
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from openlineage.client.serde import Serde

from transforms.errors import InputError
from transforms.views.lineage.openlineage import KEY_VARIABLE, build_run_events, post_events
from transforms.views.lineage.outputs import Input, read_lineage


@pytest.fixture(scope="module")
def events(lake):
    return [Serde.to_dict(event) for event in written(lake)]


def written(lake):
    return build_run_events(lake, read_lineage(lake), [Input("", "iteration_2/policy", "4444444e")])


@pytest.fixture
def server():
    """Takes events; one with `refused` is answered with 422, a first one with `busy` with 503."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.taken.append((self.path, self.headers, json.loads(body)))
            busy = b"busy" in body and len(self.server.taken) == 1
            self.send_response(503 if busy else 422 if b"refused" in body else 201)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.taken = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def address(server):
    return f"http://127.0.0.1:{server.server_port}/api/v1/lineage"


def test_every_run_starts_and_completes_after_those_it_reads_from(lake, events):
    assert [event["eventType"] for event in events] == ["START", "COMPLETE"] * (len(events) // 2)
    known = set()
    for event in events:
        assert event["schemaURL"].endswith("2-0-2/OpenLineage.json#/$defs/RunEvent")
        assert uuid.UUID(event["run"]["runId"])
        assert datetime.fromisoformat(event["eventTime"]).tzinfo
        for facet in event["run"]["facets"].values():
            assert {"_producer", "_schemaURL"} < facet.keys()
        for dataset in event["inputs"]:
            assert (dataset["name"], dataset["facets"]["version"]["datasetVersion"]) in known
        for dataset in event.get("outputs", []):
            known.add((dataset["name"], dataset["facets"]["version"]["datasetVersion"]))
    last = events[-1]
    assert last["job"]["namespace"] == "prefloop"
    assert last["job"]["name"] == "iteration_2/policy [a]"
    assert last["outputs"][0]["name"] == str(lake.root / "checkpoints" / "4444444e")
    assert (str(Path(lake.address("dpo_pairs"))), "2") in known
    parameters = last["run"]["facets"]["executionParameters"]["parameters"]
    assert {"key": "dpo.beta", "value": "0.1"} in parameters


def test_the_same_run_has_the_same_id(lake, events):
    assert [Serde.to_dict(event) for event in written(lake)] == events


def test_events_are_posted_with_the_key_of_the_environment(events, server, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    assert post_events(address(server), events) == len(events)
    paths, headers, bodies = zip(*server.taken, strict=True)
    assert set(paths) == {"/api/v1/lineage"}
    assert {header["Authorization"] for header in headers} == {"Bearer secret"}
    assert list(bodies) == events


def test_a_refusal_names_the_address_and_not_the_key(server, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    with pytest.raises(InputError, match="HTTP status 422, after 1 events") as refusal:
        post_events(address(server), [{"fine": 1}, {"refused": 1}, {"never": 1}])
    assert "secret" not in str(refusal.value)
    assert len(server.taken) == 2


def test_a_busy_server_is_asked_again(server):
    assert post_events(address(server), [{"busy": 1}]) == 1
    assert len(server.taken) == 2


def test_without_a_key_no_header_is_sent(server, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    post_events(address(server), [{"fine": 1}])
    assert server.taken[0][1]["Authorization"] is None


@pytest.mark.parametrize("wrong", ["http://127.0.0.1:1/lineage", "not an address", "ftp://a"])
def test_an_address_that_does_not_answer_is_refused(wrong):
    with pytest.raises(InputError, match="did not accept the events"):
        post_events(wrong, [{}])
