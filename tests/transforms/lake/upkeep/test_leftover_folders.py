"""Folders that killed runs leave: removed, but never those of a run that is alive."""

import subprocess
import sys
import time

import pytest

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.upkeep import leftover_folders
from transforms.lake.upkeep.leftover_folders import remove_leftover_folders

RUN = """
import sys, time
from transforms.lake.lake import Lake
from transforms.lake.locks import lock_slice
from transforms.lake.work_folders import open_work_folder
lake = Lake(sys.argv[1])
with lock_slice(lake, "prompts", "shared", wait=print):
    with open_work_folder(lake.store.work, "staged") as folder:
        (folder / "part.parquet").write_bytes(b"rows")
        time.sleep(3600)
"""


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


def make(lake, *names):
    for name in names:
        (lake.root / name / "deep").mkdir(parents=True)
        (lake.root / name / "deep" / "file").write_bytes(b"1234")


def test_folders_of_temporary_files_are_removed_and_nothing_else(lake):
    make(lake, "staged-a", "grouped-b", "prompts-c", "checkpoints", "tensorboard", "tables")
    (lake.root / "prompts-d").mkdir()
    planned = remove_leftover_folders(lake, dry_run=True)
    assert planned.rows() == [("grouped-b", 4), ("prompts-c", 4), ("prompts-d", 0), ("staged-a", 4)]
    assert remove_leftover_folders(lake, dry_run=False).equals(planned)
    assert remove_leftover_folders(lake, dry_run=False).is_empty()
    left = {path.name for path in lake.root.iterdir()}
    assert {"checkpoints", "tensorboard", "tables"} <= left <= {*left} - set(planned["folder"])


def test_a_living_run_keeps_its_folder_and_a_killed_one_loses_it(lake):
    make(lake, "grouped-old")
    with subprocess.Popen([sys.executable, "-c", RUN, str(lake.root)]) as run:
        while not list(lake.root.glob("staged-*/part.parquet")):
            assert run.poll() is None
            time.sleep(0.01)
        with pytest.raises(InputError, match="prompts shared is being made"):
            remove_leftover_folders(lake, dry_run=False)
        assert len(list(lake.root.glob("staged-*/part.parquet"))) == 1
        run.kill()
    assert remove_leftover_folders(lake, dry_run=False).height == 2
    assert not [*lake.root.glob("staged-*"), *lake.root.glob("grouped-*")]


def test_the_folder_of_a_run_that_starts_meanwhile_is_kept(lake, monkeypatch):
    """Its lock may be one that nobody had before: then it is not among those that are taken."""
    make(lake, "staged-old")
    lock = leftover_folders.lock_all_slices

    def start_another(opened):
        make(opened, "staged-new")
        return lock(opened)

    monkeypatch.setattr(leftover_folders, "lock_all_slices", start_another)
    assert remove_leftover_folders(lake, dry_run=False)["folder"].to_list() == ["staged-old"]
    assert (lake.root / "staged-new").is_dir()
