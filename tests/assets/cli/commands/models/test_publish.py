"""`prefloop publish` on the hand-written records of tests/transforms/views/lineage."""

import json
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from assets.cli.app import app


def publish(home: Path, *words: str):
    return CliRunner().invoke(app, ["publish", *words, "--home", str(home)], catch_exceptions=False)


def test_a_model_is_exported_with_its_card(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = publish(home, "latest")
    assert done.exit_code == 0
    folder = tmp_path / "colours-a-iteration_2-policy"
    assert AutoModelForCausalLM.from_pretrained(folder).num_parameters() > 0
    card = (folder / "README.md").read_text()
    assert "# colours: iteration_2/policy" in card
    assert "ranked by reward_model (`3333333c`)" in card
    assert "- iteration_2/policy `4444444e` from iteration_1/policy (parent)" in card
    assert "dpo.beta = 0.1" in card
    assert "This policy was not evaluated." in card


def test_the_card_of_an_exported_model_is_written_again(home, tmp_path):
    place = tmp_path / "out"
    assert publish(home, "a/iteration_2/policy", str(place)).exit_code == 0
    weights = (place / "model.safetensors").stat()
    (place / "README.md").write_text("old")
    assert publish(home, "a/iteration_2/policy", str(place)).exit_code == 0
    assert "# colours: iteration_2/policy" in (place / "README.md").read_text()
    assert (place / "model.safetensors").stat().st_mtime_ns == weights.st_mtime_ns
    other = publish(home, "sft_policy", str(place))
    assert other.exit_code == 2
    assert "a folder with files" in other.stderr
    assert json.loads((place / "prefloop.json").read_text())["checkpoint_id"] == "4444444e"


def test_without_a_token_nothing_is_written(home, tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    refused = publish(home, "latest", str(tmp_path / "out"), "--to", "me/policy")
    assert refused.exit_code == 2
    assert "HF_TOKEN" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_the_folder_is_pushed_with_the_token_of_the_environment(home, tmp_path, monkeypatch):
    pushed = []

    def push(folder, hub_id, *, token, public):
        pushed.append((folder.name, hub_id, token, public))
        return "address of the commit"

    monkeypatch.setattr("training.export.hub.push_folder", push)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    done = publish(home, "latest", str(tmp_path / "out"), "--to", "me/policy")
    assert done.exit_code == 0
    assert pushed == [("out", "me/policy", "hf_secret", False)]
    assert done.stdout.endswith("address of the commit\n")
    assert "hf_secret" not in done.output
