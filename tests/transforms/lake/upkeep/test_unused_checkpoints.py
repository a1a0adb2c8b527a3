"""Models that nothing refers to are found and removed; all others stay."""

import json
import os
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from filelock import FileLock

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.lake.upkeep.unused_checkpoints import find_used, remove_unused_checkpoints

NOW = datetime.now(UTC)


def models(lake: Lake, *rows: dict) -> None:
    """Append rows of `checkpoints`, made that many hours ago, and make their folders."""
    for row in rows:
        (lake.root / "checkpoints" / row["checkpoint_id"]).mkdir(parents=True, exist_ok=True)
        file = lake.root / "checkpoints" / row["checkpoint_id"] / "model.safetensors"
        file.write_bytes(b"12345")
    frame = [
        {"experiment": "a", "parent_id": "", "reference_id": "", **row}
        | {"created_at": NOW - timedelta(hours=row["hours"])}
        for row in rows
    ]
    lake.append("checkpoints", pl.DataFrame(frame, schema=schema_of("checkpoints")))


def made(lake: Lake, asset: str, output_id: str, hours: int, **inputs: str) -> None:
    row = {"asset": asset, "experiment": "a", "output_id": output_id, "inputs": json.dumps(inputs)}
    row["created_at"] = NOW - timedelta(hours=hours)
    lake.append("materializations", pl.DataFrame([row], schema=schema_of("materializations")))


@pytest.fixture
def lake(tmp_path) -> Lake:
    """The policy p was trained four times, from s1 and then s2; a table was made from p3."""
    lake = Lake(tmp_path)
    for hours, row in (
        (90, {"checkpoint_id": "s1", "asset": "sft_policy"}),
        (80, {"checkpoint_id": "p1", "asset": "p", "parent_id": "s1"}),
        (70, {"checkpoint_id": "half2", "asset": "p@0.5"}),
        (70, {"checkpoint_id": "p2", "asset": "p", "parent_id": "s1", "reference_id": "r"}),
        (60, {"checkpoint_id": "s2", "asset": "sft_policy"}),
        (50, {"checkpoint_id": "half3", "asset": "p@0.5"}),
        (50, {"checkpoint_id": "p3", "asset": "p", "parent_id": "s2"}),
        (3, {"checkpoint_id": "p4", "asset": "p", "parent_id": "s2"}),
    ):
        models(lake, {**row, "hours": hours})
    made(lake, "generations", "generations@1", 60, p="p1")
    made(lake, "generations", "generations@2", 40, p="p3")
    return lake


def used(lake: Lake, hours: int = 0) -> list[str]:
    return sorted(find_used(lake, timedelta(hours=hours)) - {"", "generations@1", "generations@2"})


def test_the_last_models_and_what_they_and_the_last_tables_were_made_from_are_used(lake):
    assert used(lake) == ["half3", "p3", "p4", "s2"]


def test_a_promoted_policy_is_used_with_its_parent_and_reference(lake):
    row = {"policy_id": "p2", "promoted": True, "created_at": NOW}
    lake.append("promotions", pl.DataFrame([row], schema=schema_of("promotions")))
    assert used(lake) == ["half3", "p2", "p3", "p4", "r", "s1", "s2"]


def test_what_was_last_within_the_retention_is_used(lake):
    """p2 and half2 were last until 50 hours ago, p1 was read by a table until 40 hours ago."""
    assert "half2" not in used(lake, 39)
    assert used(lake, 45) == ["half3", "p1", "p3", "p4", "s1", "s2"]
    assert used(lake, 55) == ["half2", "half3", "p1", "p2", "p3", "p4", "r", "s1", "s2"]


def test_unused_folders_are_removed_and_their_rows_stay(lake):
    folder = lake.root / "checkpoints"
    (folder / "in_progress" / "p").mkdir(parents=True)
    leftover = folder / ".p9.new"
    leftover.mkdir()
    os.utime(leftover, ((NOW - timedelta(hours=99)).timestamp(),) * 2)
    (folder / "young").mkdir()
    before = sorted(folder.iterdir())
    planned = remove_unused_checkpoints(lake, retention_hours=30, dry_run=True)
    assert sorted(folder.iterdir()) == before
    assert planned["checkpoint_id"].to_list() == [".p9.new", "s1", "p1", "half2", "p2"]
    assert planned["bytes"].to_list() == [0, 5, 5, 5, 5]
    done = remove_unused_checkpoints(lake, retention_hours=30, dry_run=False)
    assert done.equals(planned)
    assert {one.name for one in folder.iterdir()} == {
        "in_progress", "young", "half3", "p3", "p4", "s2",
    }  # fmt: skip
    assert lake.height("checkpoints") == 8
    assert remove_unused_checkpoints(lake, retention_hours=30, dry_run=False).is_empty()


def test_nothing_is_removed_while_a_run_is_active(lake):
    (lake.root / "locks").mkdir()
    with (
        FileLock(lake.root / "locks" / "p__a.lock"),
        pytest.raises(InputError, match="run is active"),
    ):
        remove_unused_checkpoints(lake, retention_hours=0, dry_run=False)


def test_a_lake_without_models_has_none_to_remove(tmp_path):
    assert remove_unused_checkpoints(Lake(tmp_path), retention_hours=0, dry_run=True).is_empty()
