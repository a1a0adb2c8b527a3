"""The published files of the benchmarks, and settings that name them."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # before the harness is imported: no test asks the hub

DATA = Path(
    os.environ.get("PREFLOOP_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data")
)
FILES = {
    "gsm8k": {"test": "gsm8k_test.jsonl.gz"},
    "mmlu": {"archive": "mmlu.zip"},
    "arc_challenge": {"test": "arc_challenge_test.jsonl.gz"},
    "truthfulqa": {"questions": "TruthfulQA.csv.gz"},
    "humaneval": {"test": "HumanEval.jsonl.gz"},
    "mbpp": {"test": "mbpp.jsonl.gz"},
}


@pytest.fixture(scope="session")
def published() -> Callable[[str], str]:
    """Find a published file; a test that names one that is not there is skipped."""

    def find(name: str) -> str:
        if not (DATA / "benchmarks" / name).is_file():
            pytest.skip(f"PREFLOOP_TEST_DATA has no benchmarks/{name}")
        return str(DATA / "benchmarks" / name)

    return find


@pytest.fixture(scope="session")
def published_data(published: Callable[[str], str]) -> Callable[[str], dict]:
    """Say where the parts of a benchmark are, as a recipe does."""
    return lambda benchmark: {
        part: {"files": [published(name)]} for part, name in FILES[benchmark].items()
    }


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuse every connection, and fail the test that tried one, whoever caught the error."""
    tried = []

    def refuse(*address: object) -> None:
        tried.append(address[1:])
        raise OSError("this test has no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    yield
    assert tried == []
