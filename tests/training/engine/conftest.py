"""Replicas of a stage without a model, on this machine and on a Ray cluster."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from training.engine.replicas import StageCommand, run_on_replicas
from training.settings.model import DeviceSettings

FAKE = StageCommand("tests.training.engine.fake_stage", rows="rows", key="id", unit="row")


@pytest.fixture(scope="session")
def numbers() -> pl.DataFrame:
    return pl.DataFrame({"id": [f"row-{i}" for i in range(10)], "n": range(10)})


@pytest.fixture(scope="session")
def double(numbers: pl.DataFrame) -> Callable[..., tuple[pl.DataFrame, list[dict[str, Any]]]]:
    """Run the fake stage, replica by replica in a mode; its rows and what was printed."""

    def run(*modes, cluster=None, rows=numbers, commit=None):
        chunks: list[pl.DataFrame] = []
        printed = run_on_replicas(
            FAKE,
            rows,
            [{"mode": mode} if mode else {} for mode in modes],
            DeviceSettings(replicas=len(modes), cluster=cluster),
            settings=DeviceSettings(),
            commit=commit or chunks.append,
            description="fake",
        )
        return pl.concat(chunks) if chunks else numbers.clear(), printed

    return run


@pytest.fixture(params=[None, "ray"], ids=["this machine", "ray"])
def cluster(request: pytest.FixtureRequest) -> str | None:
    """Where replicas run."""
    if request.param:
        request.getfixturevalue("ray_nodes")
    return request.param
