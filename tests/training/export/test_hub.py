"""The push of a folder to a hub on loopback."""

from pathlib import Path

import pytest

from tests.hub import Hub
from training.export.hub import push_folder, read_token
from transforms.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "README.md").write_text("card")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_folder_is_pushed_to_a_private_repository(hub: Hub, folder: Path) -> None:
    address = push_folder(
        folder, "me/policy", token="hf_secret", public=False, endpoint=hub.address
    )
    assert address == f"{hub.address}/me/policy/commit/abc"
    assert hub.made == [{"name": "policy", "organization": "me", "visibility": "private"}]
    assert hub.files == {"README.md": b"card", "model.safetensors": b"weights"}
    assert hub.tokens == {"Bearer hf_secret"}


def test_a_new_repository_is_public_if_that_is_wanted(hub: Hub, folder: Path) -> None:
    push_folder(folder, "me/policy", token="hf_secret", public=True, endpoint=hub.address)
    assert [one["visibility"] for one in hub.made] == ["public"]


def test_a_refused_push_names_the_token_and_keeps_the_folder(hub: Hub, folder: Path) -> None:
    with pytest.raises(InputError, match="cannot be pushed to me/policy") as refused:
        push_folder(folder, "me/policy", token="hf_wrong", public=False, endpoint=hub.address)
    assert "HF_TOKEN" in str(refused.value)
    assert "hf_wrong" not in str(refused.value)
    assert (folder / "README.md").exists()


def test_the_token_comes_from_the_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(InputError, match="without a token"):
        read_token("me/policy")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert read_token("me/policy") == "hf_secret"
    with pytest.raises(InputError, match="OWNER/NAME"):
        read_token("policy")
