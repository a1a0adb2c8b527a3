from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two small files of scores."""
    for iteration in (1, 1):
        rows = pl.DataFrame(
            [{"experiment": "a", "iteration": iteration}], schema=schema_of("scores")
        )
        Lake(tmp_path / "lake").append("scores", rows)
    return tmp_path


def maintain(home: Path, *words: str):
    return CliRunner().invoke(app, ["maintain", *words, "--home", str(home)])


def test_a_dry_run_says_what_would_go_and_touches_nothing(home):
    files = sorted(home.rglob("*"))
    printed = maintain(home, "--dry-run", "--retention", "0").stdout
    assert "files_to_merge" in printed
    assert sorted(home.rglob("*")) == files


def test_files_are_merged_and_removed(home):
    printed = maintain(home, "--retention", "0").stdout
    assert "files_merged" in printed
    assert len(list(home.rglob("part-*.parquet"))) == 1


def test_folders_of_killed_runs_are_counted_and_removed(home):
    folder = home / "lake" / "staged-x"
    folder.mkdir()
    assert "leftovers of killed runs: 1 folders to remove" in maintain(home, "--dry-run").stdout
    assert folder.is_dir()
    assert "leftovers of killed runs: 1 folders removed" in maintain(home).stdout
    assert not folder.exists()


def test_more_than_deltas_own_week_is_refused(home):
    assert maintain(home, "--retention", "168").exit_code == 0
    refused = maintain(home, "--retention", "169")
    assert refused.exit_code == 2
    assert "less than or equal to 168" in refused.stderr


def test_damaged_files_are_given_up(home):
    next(home.rglob("part-*.parquet")).unlink()
    assert "1 damaged files found" in maintain(home, "--repair", "--dry-run").stdout
    assert "1 damaged files dropped" in maintain(home, "--repair").stdout
    assert Lake(home / "lake").read("scores").height == 1
