"""Feedback that refreshes a brought reward model within a sum: vLLM, TRL, Delta, real files."""

import json
from pathlib import Path

import polars as pl
import pytest
import torch
from transformers import AutoModelForSequenceClassification
from typer.testing import CliRunner

from assets.cli.app import app
from training.models.checkpoint import hash_checkpoint
from training.models.initial_model import make_tiny_model
from training.settings.model import TinyModelSettings
from transforms.lake.lake import Lake

ROOT = Path(__file__).resolve().parents[3]
CODE = "def brief(responses):\n    return [-len(text) for text in responses]\n"
WEIGHTS = {"given": 2.0, "brief": 0.25}
LABELS = 12
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model that the study has not trained."""
    folder = tmp_path_factory.mktemp("given") / "model"
    turns = [{"role": "user", "content": "name a cat"}, {"role": "assistant", "content": "red"}]
    make_tiny_model(TinyModelSettings(layers=1), [turns], folder, seed=1)
    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def home(given: Path, tiny_overrides, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("study")
    (home / "rewards.py").write_text(CODE, encoding="utf-8")
    both = json.dumps(WEIGHTS)
    overrides = (
        *tiny_overrides,
        f"rewards={{given: {{path: {given}}}, brief: {{function: '{home}/rewards.py:brief'}},"
        f" both: {{sum: {both}}}}}",
        f"experiments={{e: {{ranker: both, feedback: {{labels: {LABELS}, replay: 0.5,"
        # without warm-up: the few labels are one step, whose learning rate would be 0
        " reward_model: {learning_rate: 1.0e-3, warmup_ratio: 0, logging_steps: 1,"
        " max_tokens: 128}}}}",
    )
    options = [word for one in overrides for word in ("--set", one)]
    options += ["--home", str(home), "--until", "iteration_2/scores"]
    recipe = str(ROOT / "recipes" / "quickstart.yaml")
    ran = CliRunner().invoke(app, ["run", recipe, *options], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return home


def test_it_goes_on_from_the_given_weights_and_the_sum_has_the_refreshed_model(home, given) -> None:
    lake = Lake(home / "lake")
    rows = lake.read("checkpoints", experiment="e").filter(pl.col("kind") == "reward_model")
    models = {row["asset"]: row for row in rows.iter_rows(named=True)}
    first, second = models["iteration_1/reward_model"], models["iteration_2/reward_model"]
    assert first["parent_id"] == hash_checkpoint(given)
    assert second["parent_id"] == first["checkpoint_id"]
    assert len({hash_checkpoint(given), first["checkpoint_id"], second["checkpoint_id"]}) == 3
    parts = lake.read("score_components", experiment="e")
    of_model = parts.filter(component="given").select("iteration", "component_id").unique()
    assert set(of_model.rows()) == {
        (1, first["checkpoint_id"]),
        (2, second["checkpoint_id"]),
    }
    key = ["iteration", "prompt_id", "response_index"]
    added = parts.group_by(key).agg(sum=(pl.col("weight") * pl.col("reward")).sum(), n=pl.len())
    scores = lake.read("scores", experiment="e").join(added, on=key, validate="1:1")
    assert scores.height == lake.read("generations", experiment="e").height
    assert scores["n"].unique().to_list() == [len(WEIGHTS)]
    assert scores["sum"].to_list() == pytest.approx(scores["reward"].to_list())


def test_the_refreshed_models_are_trained_again_to_the_same_weights(home) -> None:
    rows = Lake(home / "lake").read("checkpoints", experiment="e")
    for asset in ("iteration_1/reward_model", "iteration_2/reward_model"):
        (checkpoint,) = rows.filter(asset=asset)["checkpoint_id"]
        words = ["reproduce", checkpoint, "--home", str(home)]
        again = CliRunner().invoke(app, words, catch_exceptions=False)
        assert again.exit_code == 0, again.output
