"""Models of a lake in an object store, and their folders on this machine."""

import shutil
from pathlib import Path

import pytest

from transforms.errors import InputError
from transforms.lake.lake import Lake

pytestmark = pytest.mark.slow
MODEL = "checkpoints/abc"


@pytest.fixture
def lake(make_address):
    return Lake(make_address("weed"))


@pytest.fixture
def made(tmp_path):
    folder = tmp_path / "made"
    (folder / "parts").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 40_000)
    (folder / "parts" / "config.json").write_text("{}")
    return folder


def read_files(folder):
    files = sorted(file for file in Path(folder).rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_a_model_is_the_same_on_another_machine(lake, made, tmp_path, monkeypatch):
    assert read_files(lake.store.add_model(made, MODEL)) == read_files(made)
    monkeypatch.setenv("PREFLOOP_CACHE", str(tmp_path / "other machine"))
    assert read_files(lake.store.fetch_model(MODEL)) == read_files(made)


def test_a_model_without_its_record_is_unfinished_and_is_stored_again(lake, made):
    lake.store.add_model(made, MODEL)
    lake.store.remove(f"{MODEL}/files.json")
    assert lake.store.fetch_model(MODEL) is None
    with pytest.raises(InputError, match=r"no files\.json"):
        lake.store.check_model(MODEL, lambda folder: None)
    lake.store.add_model(made, MODEL)
    lake.store.check_model(MODEL, lambda folder: None)


def test_a_model_that_lost_an_object_is_found_and_stored_again(lake, made):
    lake.store.add_model(made, MODEL)
    lake.store.remove(f"{MODEL}/parts/config.json")
    with pytest.raises(InputError, match=r"missing or of another size: parts/config\.json"):
        lake.store.check_model(MODEL, lambda folder: None)
    lake.store.add_model(made, MODEL)
    lake.store.check_model(MODEL, lambda folder: None)


def test_a_file_that_is_damaged_in_the_cache_is_fetched_again(lake, made):
    kept = lake.store.add_model(made, MODEL)
    (kept / "model.safetensors").unlink()
    (kept / "model.safetensors").write_bytes(b"half")
    assert read_files(lake.store.fetch_model(MODEL)) == read_files(made)


def test_a_removed_model_is_missing_though_the_cache_has_it(lake, made):
    kept = lake.store.add_model(made, MODEL)
    lake.store.remove(MODEL)
    assert kept.is_dir()
    assert lake.store.fetch_model(MODEL) is None
    assert lake.store.list_files(MODEL) == []
    shutil.rmtree(kept)
