"""The real files: published answers, annotations and judgments."""

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from transforms.settings.sources import OriginSettings
from transforms.sources.files.json_rows import Native
from transforms.sources.files.set_files import read_strict

DATA = Path(
    os.environ.get("PREFLOOP_TEST_DATA", Path(__file__).resolve().parents[5] / "shared" / "data")
)


@pytest.fixture(scope="session")
def data() -> Callable[[str], str]:
    """Find a file of the data folder; a test that names one that is not there is skipped."""

    def find(name: str) -> str:
        if not (DATA / name).is_file():
            pytest.skip(f"PREFLOOP_TEST_DATA has no {name}")
        return str(DATA / name)

    return find


@pytest.fixture(scope="session")
def published_rows(data) -> Callable[[str, Native], pl.DataFrame]:
    """Read a file of the data folder in its native columns."""

    def read(name: str, native: Native) -> pl.DataFrame:
        return pl.concat(read_strict(name, OriginSettings(files=(data(name),)), native))

    return read
