"""What tests of several layers share: a study small enough to run whole in a minute."""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.json_handler import JsonHandler
from training.recipe import Recipe
from training.recipe_file import load_recipe
from training.runs.processes import free_stage_memory
from transforms.teardown import quiet_teardown

pytest_plugins = ("tests.object_stores", "tests.hub")

ROOT = Path(__file__).resolve().parent.parent

quiet_teardown()

# absl's log handler (of lm-evaluation-harness) keeps the stderr of its import, which is pytest's.
# It closes that when Dagster configures logging in a test that has replaced stderr.
with suppress(ImportError):  # of the extra `benchmarks`
    from absl import logging as absl_logging

    absl_logging.get_absl_handler().python_handler.stream = sys.__stderr__

# No test talks to a hub, and no test leaves runs in the checkout's dagster_home.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.pop("DAGSTER_HOME", None)

# No test asserts an absolute time: a busy machine is no defect of the code.
hypothesis.settings.register_profile("prefloop", deadline=None)
hypothesis.settings.load_profile("prefloop")

TINY = (
    "sample_task.demonstrations=400",
    "sample_task.preference_pairs=400",
    "sample_task.prompts=300",
    "splits.prompts_per_iteration=16",
    "splits.evaluation_prompts=12",
    "splits.validation_prompts=8",
    "model.tiny.layers=1",
    "sft.epochs=1",
    "loop.iterations=2",
    "loop.sampling.n=4",
    "loop.sampling.max_tokens=16",
    "loop.sampling.chunk_prompts=8",
    "evaluation.samples=2",
)


@pytest.fixture(scope="module", autouse=True)
def _settled() -> None:
    """Keep the modules of torch, vLLM and TRL out of the many collections of each training."""
    free_stage_memory()


@pytest.fixture(scope="session")
def tiny_overrides() -> tuple[str, ...]:
    return TINY


@pytest.fixture(scope="session")
def make_tiny() -> Callable[..., Recipe]:
    """The quickstart at a size for tests, with further `key=value` settings laid over it."""
    return lambda *overrides: load_recipe(ROOT / "recipes" / "quickstart.yaml", (*TINY, *overrides))


@pytest.fixture(scope="session")
def tiny_recipe(make_tiny: Callable[..., Recipe]) -> Recipe:
    return make_tiny()


Answer = Callable[[dict[str, Any]], dict[str, Any]]
"""Body of a request for a chat completion -> the choice that answers it."""


class ChatHandler(JsonHandler, BaseHTTPRequestHandler):
    server: "ChatServer"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer({"choices": [self.server.answer(body)]})


class ChatServer(ThreadingHTTPServer):
    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), ChatHandler)
        self.answer = answer


@pytest.fixture(scope="session")
def serve_chat() -> Iterator[Callable[[Answer], str]]:
    """Start a server of chat completions, real HTTP on loopback; its address."""
    servers: list[ChatServer] = []

    def serve(answer: Answer) -> str:
        servers.append(ChatServer(answer))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}/v1"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()
