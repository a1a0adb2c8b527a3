"""Replicas of a stage without a model, on this machine and on a Ray cluster."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from training.engine.replicas import StageCommand, run_on_replicas
from training.models.initial_model import make_tiny_model
from training.settings.model import DeviceSettings, TinyModelSettings

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


@pytest.fixture(scope="module")
def judge_model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("replicas") / "judge"
    tiny = TinyModelSettings(
        vocab_size=64, hidden_size=64, intermediate_size=64, layers=1, heads=2, context_tokens=1024
    )
    words = "which answer of the two is better a b it text user"
    make_tiny_model(tiny, [[{"role": "user", "content": words}]], folder, seed=0)
    return folder
