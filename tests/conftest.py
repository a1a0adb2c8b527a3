"""What tests of several layers share: a study small enough to run whole in a minute."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from assets.console import quiet_teardown
from training.recipe import Recipe, load_recipe

ROOT = Path(__file__).resolve().parent.parent

quiet_teardown()

# No test talks to a hub, and no test leaves runs in the checkout's dagster_home.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.pop("DAGSTER_HOME", None)

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
