"""A study whose initial model is on the hub: its record has the commit."""

import json
from pathlib import Path

from typer.testing import CliRunner

from assets.cli.app import app
from tests.hub import Hub
from training.models.initial_model import make_tiny_model
from training.settings.model import TinyModelSettings
from transforms.lake.lake import Lake

TALK = [[{"role": "user", "content": "the red cat"}, {"role": "assistant", "content": "eats"}]]
TINY = TinyModelSettings(
    vocab_size=32, hidden_size=32, intermediate_size=32, layers=1, heads=1, context_tokens=256
)
RECIPE = {
    "name": "hub",
    "model": {"path": "me/tiny", "revision": "main", "dtype": "float32"},
    "sources": {"q": {"entry": "prompt_text", "roles": ["prompts"], "files": ["q.jsonl"]}},
    "sft": None,
    "reward_model": None,
    "rewards": {"brief": {"function": "rewards.py:brief"}},
    "loop": {
        "ranker": "brief",
        "sampling": {"n": 2, "max_tokens": 16, "max_context_tokens": 128},
        "dpo": {"max_tokens": 128},
    },
}


def test_the_commit_of_a_hub_model_is_in_its_row_of_checkpoints(hub: Hub, tmp_path: Path) -> None:
    make_tiny_model(TINY, TALK, tmp_path / "tiny", seed=0)
    commit = hub.add_folder("models/me/tiny", tmp_path / "tiny")
    (tmp_path / "q.jsonl").write_text('{"prompt": "the red cat"}\n')
    (tmp_path / "rewards.py").write_text("def brief(responses):\n    return [0.0] * len(responses)")
    recipe = tmp_path / "hub.yaml"
    recipe.write_text(json.dumps(RECIPE))  # JSON is YAML
    words = ["run", str(recipe), "--home", str(tmp_path / "home"), "--until", "initial_model"]
    for _ in range(2):
        ran = CliRunner().invoke(app, words, catch_exceptions=False)
        assert ran.exit_code == 0, ran.output
    [row] = Lake(tmp_path / "home" / "lake").read("checkpoints").to_dicts()
    settings = json.loads(row["settings"])
    assert settings["model"]["revision"] == "main"
    assert settings["found"]["revision"] == commit
    assert hub.downloads.count("model.safetensors") == 1
