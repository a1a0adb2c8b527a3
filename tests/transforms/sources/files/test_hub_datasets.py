"""Datasets of a hub on loopback, through the client of datasets."""

import json

import polars as pl
import pytest

from tests.hub import TOKEN, Hub
from transforms.errors import InputError
from transforms.settings.sources import OriginSettings
from transforms.sources.files.content import fingerprint_origin
from transforms.sources.files.reading import read_batches

NATIVE = {"text": pl.String, "n": pl.Int64}


@pytest.fixture
def datasets_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path) -> Hub:
    """The hub, with the cache of datasets in a folder of the test."""
    monkeypatch.setattr("datasets.config.HF_ENDPOINT", hub.address)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    return hub


def lines(*rows: tuple[str, int]) -> bytes:
    return "".join(json.dumps({"text": text, "n": n}) + "\n" for text, n in rows).encode()


def read(revision: str, *folders: str, hub_id: str = "me/rows") -> list[tuple]:
    origin = OriginSettings(hub_id=hub_id, hub_split="train", revision=revision, hub_dirs=folders)
    rows = pl.concat([batch.rows for batch in read_batches("s", origin, NATIVE)])
    return rows.select("row_key", "text", "n").rows()


def test_rows_of_a_pinned_commit_are_read_once_from_the_hub(datasets_hub: Hub) -> None:
    pinned = datasets_hub.add("datasets/me/rows", {"train.jsonl": lines(("a", 1), ("b", 2))})
    datasets_hub.add("datasets/me/rows", {"train.jsonl": lines(("changed", 3))})
    expected = [(f"me/rows@{pinned}:1", "a", 1), (f"me/rows@{pinned}:2", "b", 2)]
    assert read(pinned) == expected
    downloads = [*datasets_hub.downloads]
    assert downloads == ["train.jsonl"]
    assert read(pinned) == expected
    assert datasets_hub.downloads == downloads
    assert datasets_hub.tokens == {None}


def test_a_branch_is_read_at_its_commit_and_another_commit_has_another_fingerprint(
    datasets_hub: Hub,
) -> None:
    origin = OriginSettings(hub_id="me/rows", hub_split="train", revision="main")
    for number in range(2):
        commit = datasets_hub.add("datasets/me/rows", {"train.jsonl": lines(("a", number))})
        assert read("main") == [(f"me/rows@{commit}:1", "a", number)]
        assert fingerprint_origin(origin) == f"me/rows@{commit}:train"
    with pytest.raises(InputError, match="has no revision other"):
        read("other")


def test_each_folder_of_a_dataset_has_its_rows(datasets_hub: Hub) -> None:
    files = {f"{name}/train.jsonl": lines((name, n)) for n, name in enumerate(("x", "y", "z"))}
    commit = datasets_hub.add("datasets/me/rows", files)
    assert read(commit, "x", "z") == [
        (f"me/rows@{commit}/x:1", "x", 0),
        (f"me/rows@{commit}/z:1", "z", 2),
    ]


def test_what_is_not_there_is_one_clear_error(
    datasets_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = datasets_hub.add("datasets/me/rows", {"train.jsonl": lines(("a", 1))})
    datasets_hub.private.add("datasets/me/rows")
    with pytest.raises(InputError, match=r"cannot be accessed\.(.|\n)*HF_TOKEN"):
        read(commit)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(InputError, match="'me/other' doesn't exist"):
        read(commit, hub_id="me/other")
    with pytest.raises(InputError, match=f"Revision '{'0' * 40}' doesn't exist"):
        read("0" * 40)
    assert datasets_hub.downloads == []
    assert read(commit) == [(f"me/rows@{commit}:1", "a", 1)]
