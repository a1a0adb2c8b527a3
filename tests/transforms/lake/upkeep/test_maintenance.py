import json
import os
from pathlib import Path

import polars as pl
import polars.selectors as cs
import pytest
from deltalake.exceptions import DeltaError
from filelock import FileLock

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.pinned_lake import WrittenSlice
from transforms.lake.records import materializations
from transforms.lake.schemas import schema_of
from transforms.lake.transaction_log import list_commits
from transforms.lake.upkeep.maintenance import list_referred_versions, maintain, repair


def scores(reward: float, *prompts: str, **keys) -> pl.DataFrame:
    row = {"experiment": "a", "iteration": 1, "reward": reward, **keys}
    return pl.DataFrame([{**row, "prompt_id": p} for p in prompts], schema=schema_of("scores"))


def record(
    lake: Lake, asset: str, output_id: str, *beside: WrittenSlice, experiment="a", **inputs: str
) -> None:
    materializations.record(
        lake, asset=asset, experiment=experiment, output_id=output_id, settings="{}",
        inputs=json.dumps(inputs), tables=materializations.describe_written(beside),
        run_id="r", elapsed_s=1.0,
    )  # fmt: skip


@pytest.fixture
def lake(any_lake) -> Lake:
    """Scores 0 ... 5, each version in place of the last; records name versions 1, 2 and 4."""
    lake = any_lake
    for version in range(6):
        rows = scores(float(version), "p")
        assert lake.overwrite("scores", rows, experiment="a", iteration=1) == version
    record(lake, "iteration_1/scores", "scores@1")
    record(lake, "iteration_1/dpo_pairs", "dpo_pairs@0", scores="scores@2")
    checkpoint = {"asset": "policy", "inputs": json.dumps({"iteration_1/scores": "scores@4"})}
    lake.append("checkpoints", pl.DataFrame([checkpoint], schema=schema_of("checkpoints")))
    return lake


def readable(lake: Lake, table: str = "scores") -> list[float]:
    found = []
    for version in range(lake.version(table) + 1):
        try:
            found.append(lake.read(table, version)["reward"][0])
        except (InputError, OSError, DeltaError):
            continue
    return found


def count_files(lake: Lake) -> int:
    files = lake.store.list_files("tables/scores")
    return sum("_delta_log" not in file.path for file in files)


def test_versions_are_found_in_what_was_made_and_what_was_read(lake):
    assert list_referred_versions(lake) == {"scores": [1, 2, 4]}


def test_every_referred_version_stays_and_the_files_of_others_go(lake):
    before = count_files(lake)
    done = maintain(lake, retention_hours=0, dry_run=False)
    row = done.row(by_predicate=pl.col("table") == "scores", named=True)
    assert (row["referred_versions"], row["oldest_referred"], row["files_to_remove"]) == (3, 1, 2)
    # 0, 3 and 5, which has the rows of the last one, and the begin of the removal of files
    assert (row["versions"], row["versions_to_remove"]) == (6, 4)
    assert [*list_commits(lake.store, "scores")] == [1, 2, 4, 7]
    assert count_files(lake) == before - 2
    assert sorted(set(readable(lake))) == [1.0, 2.0, 4.0, 5.0]
    again = maintain(lake, retention_hours=0, dry_run=False)
    assert again.select(cs.contains("_to_")).sum().row(0) == (0, 0, 0, 0)


def test_a_dry_run_and_the_retention_leave_everything(lake):
    for retention_hours, dry_run in ((0, True), (168, False)):
        done = maintain(lake, retention_hours=retention_hours, dry_run=dry_run)
        planned = done.filter(table="scores").select("files_to_remove", "versions_to_remove")
        assert planned.row(0) == ((2, 2) if dry_run else (0, 0))
        assert readable(lake) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_small_files_of_a_partition_are_merged_and_the_rows_stay(any_lake):
    lake = any_lake
    for chunk in range(4):
        for iteration in (1, 2):
            lake.append("scores", scores(0.0, f"p{chunk}", f"q{chunk}", iteration=iteration))
    rows = lake.read("scores").sort("iteration", "prompt_id")
    done = maintain(lake, retention_hours=0, dry_run=False)
    assert done.select("files", "files_to_merge", "files_to_remove").row(0) == (8, 8, 8)
    assert len(lake.delta("scores").file_uris()) == 2
    assert lake.read("scores").sort("iteration", "prompt_id").equals(rows)


@pytest.mark.parametrize("any_lake", ["folder"], indirect=True)
def test_what_a_killed_writer_left_goes_when_it_is_old_enough(lake):
    orphan = Path(lake.address("scores")) / "experiment=a" / "iteration=1" / "part-orphan.parquet"
    orphan.write_bytes(b"half")
    maintain(lake, retention_hours=1, dry_run=False)
    assert orphan.exists()
    os.utime(orphan, (0, 0))
    maintain(lake, retention_hours=1, dry_run=False)
    assert not orphan.exists()


def test_nothing_is_touched_while_a_run_is_going_on(lake):
    (lake.store.work / "locks").mkdir()
    with FileLock(lake.store.work / "locks" / "iteration_1__scores__a.lock"):
        for work in (
            lambda: maintain(lake, retention_hours=0, dry_run=False),
            lambda: repair(lake, dry_run=False),
        ):
            with pytest.raises(InputError, match="iteration_1 scores a is being made"):
                work()
    assert len(readable(lake)) == 6


@pytest.mark.parametrize("any_lake", ["folder"], indirect=True)
@pytest.mark.parametrize("damage", ["gone", "cut short"])
def test_repair_gives_damaged_rows_up_and_has_their_slice_made_again(lake, damage):
    lake.append("scores", scores(7.0, "x", iteration=2))
    record(lake, "iteration_2/scores", "scores@6")
    (file,) = (Path(lake.address("scores")) / "experiment=a" / "iteration=2").glob("*.parquet")
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(InputError, match="1 files of table scores are damaged"):
        lake.read("scores")
    assert repair(lake, dry_run=True).height == 1
    found = repair(lake, dry_run=False)
    assert found["found_bytes"].to_list() == ([None] if damage == "gone" else [40])
    assert lake.read("scores")["reward"].to_list() == [5.0]
    made = materializations.read_latest(lake)
    assert json.loads(made["iteration_2/scores", "a"]["settings"]) == {"rows_lost": True}
    assert made["iteration_1/scores", "a"]["settings"] == "{}"
    assert repair(lake, dry_run=False).is_empty()


@pytest.mark.parametrize("any_lake", ["folder"], indirect=True)
@pytest.mark.parametrize("table", ["evaluation_results", "evaluation_responses"])
def test_repair_has_lost_evaluation_rows_made_again_in_their_output_table_and_beside_it(
    any_lake, table
):
    lake = any_lake
    for experiment in ("a", "b"):
        rows = pl.DataFrame([{"experiment": experiment}], schema=schema_of(table))
        lake.overwrite(table, rows, experiment=experiment)
        beside = WrittenSlice("evaluation_responses", 0, {"experiment": experiment, "model": "m"})
        record(lake, "evaluation", "evaluation_results@1", beside, experiment=experiment)
        trained = WrittenSlice(table, 0, {"experiment": experiment})
        record(lake, "iteration_1/policy", "0f3a", trained, experiment=experiment)
    for file in (Path(lake.address(table)) / "experiment=a").glob("*.parquet"):
        file.unlink()
    assert repair(lake, dry_run=False).height == 1
    made = materializations.read_latest(lake)
    stale = [key for key, row in made.items() if row["settings"] != "{}"]
    assert stale == [("evaluation", "a")]  # no policy is trained again


@pytest.mark.slow
@pytest.mark.parametrize("any_lake", ["weed", "moto"], indirect=True)
def test_repair_gives_up_the_rows_of_a_missing_object(lake):
    """The slice's name is quoted in the log and in the object's name, each in its own way."""
    name = "it's a=b/ü%20"
    rows = scores(7.0, "x").with_columns(experiment=pl.lit(name))
    lake.overwrite("scores", rows, experiment=name, iteration=1)
    assert repair(lake, dry_run=True).is_empty()
    [file] = [f.path for f in lake.store.list_files("tables/scores") if "it%27s" in f.path]
    lake.store.remove(file)
    assert repair(lake, dry_run=False)["found_bytes"].to_list() == [None]
    assert lake.read("scores")["reward"].to_list() == [5.0]
