"""The real files: published answers, annotations and judgments."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

DATA = Path(
    os.environ.get("PREFLOOP_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data")
)


@pytest.fixture(scope="session")
def data() -> Callable[[str], str]:
    """Find a file of the data folder; a test that names one that is not there is skipped."""

    def find(name: str) -> str:
        if not (DATA / name).is_file():
            pytest.skip(f"PREFLOOP_TEST_DATA has no {name}")
        return str(DATA / name)

    return find
