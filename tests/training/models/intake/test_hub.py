"""Models of a hub on loopback, through huggingface_hub's own client."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.hub import TOKEN, Hub
from training.judging.local_judge import find_judge_folder
from training.models.initial_model import (
    fetch_initial_model,
    make_tiny_model,
    read_initial_tokenizer,
)
from training.rewards.given_model import find_folder
from training.settings.model import ModelSettings, TinyModelSettings
from transforms.errors import InputError

TALK = [[{"role": "user", "content": "the red cat eats and the blue dog sleeps"}]]
TINY = TinyModelSettings(
    vocab_size=32, hidden_size=32, intermediate_size=32, layers=1, heads=1, context_tokens=32
)
UNREAD = ("pytorch_model.bin", "modeling_tiny.py", "consolidated.safetensors", "a/b.safetensors")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "tiny"
    make_tiny_model(TINY, TALK, folder, seed=0)
    for name in UNREAD:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"never read")
    return folder


def settings(**keys: str) -> ModelSettings:
    return ModelSettings(dtype="float32", **({"path": "me/tiny"} | keys))


def test_a_model_is_downloaded_once_and_its_commit_is_recorded(
    hub: Hub, tiny: Path, tmp_path: Path
) -> None:
    commit = hub.add_folder("models/me/tiny", tiny)
    found = fetch_initial_model(settings(), tmp_path / "first")
    assert found["revision"] == commit
    record = json.loads((tmp_path / "first" / "settings.json").read_text())
    assert record["found"]["revision"] == commit
    ours, theirs = (load_file(one / "model.safetensors") for one in (tmp_path / "first", tiny))
    assert ours.keys() == theirs.keys()
    assert all(ours[name].equal(theirs[name]) for name in ours)
    assert "model.safetensors" in hub.downloads
    assert not set(UNREAD) & set(hub.downloads)
    downloads = [*hub.downloads]
    for revision in ("main", commit):
        fetch_initial_model(settings(revision=revision), tmp_path / "again")
    assert hub.downloads == downloads


def test_a_pinned_commit_stays_when_the_branch_moves(hub: Hub, tiny: Path, tmp_path: Path) -> None:
    pinned = hub.add_folder("models/me/tiny", tiny)
    hub.add("models/me/tiny", {"README.md": b"nothing else is left"})
    found = fetch_initial_model(settings(revision=pinned), tmp_path / "pinned")
    assert found["revision"] == pinned
    with pytest.raises(InputError, match=r"config.json, \*.safetensors"):
        fetch_initial_model(settings(), tmp_path / "newest")


def test_a_tokenizer_is_read_without_weights(hub: Hub, tiny: Path, tmp_path: Path) -> None:
    commit = hub.add_folder("models/me/tiny", tiny)
    assert read_initial_tokenizer(settings()).eos_token == "<eos>"
    assert "tokenizer.json" in hub.downloads
    assert "model.safetensors" not in hub.downloads
    found = fetch_initial_model(settings(tokenizer="me/tiny"), tmp_path / "initial")
    assert found["tokenizer_revision"] == commit


def test_the_token_comes_from_the_environment_alone(
    hub: Hub, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_folder("models/me/tiny", tiny)
    hub.private.add("models/me/tiny")
    with pytest.raises(InputError, match=r"it is private \(HF_TOKEN is not set\)"):
        fetch_initial_model(settings(), tmp_path / "initial")
    assert hub.tokens == {None}  # not the stored one
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(
        InputError, match=r"it is private \(the token of HF_TOKEN has no access\)"
    ) as no:
        fetch_initial_model(settings(), tmp_path / "initial")
    assert "hf_wrong" not in str(no.value)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    fetch_initial_model(settings(), tmp_path / "initial")
    assert hub.tokens == {None, "Bearer hf_wrong", f"Bearer {TOKEN}"}


@pytest.mark.parametrize("kind", ["model", "the reward model", "the judge"])
def test_what_is_not_there_is_one_clear_error(
    hub: Hub, tiny: Path, tmp_path: Path, kind: str
) -> None:
    fetch = {
        "model": lambda path, revision: fetch_initial_model(
            settings(path=path, revision=revision), tmp_path / "initial"
        ),
        "the reward model": find_folder,
        "the judge": find_judge_folder,
    }[kind]
    commit = hub.add_folder("models/me/tiny", tiny)
    for path, revision, cause in (
        ("me/other", "main", "no such repository"),
        ("me/tiny", "v9", "no revision v9"),
        ("me/tiny", commit[::-1], f"no revision {commit[::-1]}"),
        ("no/such/folder", "main", "Repo id must"),
    ):
        with pytest.raises(InputError, match=f"{kind} {path} cannot be read") as refused:
            fetch(path, revision)
        assert cause in str(refused.value)
        assert "huggingface.co" not in str(refused.value)
    assert hub.downloads == []
    assert not (tmp_path / "initial").exists()


def test_a_downloaded_model_is_found_without_the_hub(
    hub: Hub, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.add_folder("models/me/tiny", tiny)
    folder = find_folder("me/tiny", commit)
    assert folder.name == commit
    assert find_judge_folder("me/tiny", commit) == folder
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    hub.add_folder("models/me/other", tiny)
    assert find_folder("me/tiny", commit) == folder
    with pytest.raises(InputError, match="the hub is not reached, and the files are not on"):
        find_folder("me/other", "main")
