from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.history import find_versions, read_table_history
from transforms.lake.lake import Lake
from transforms.lake.records import costs
from transforms.lake.schemas import schema_of
from transforms.lake.upkeep.maintenance import maintain


def scores(experiment: str, *prompts: str) -> pl.DataFrame:
    rows = [{"experiment": experiment, "iteration": 1, "prompt_id": prompt} for prompt in prompts]
    return pl.DataFrame(rows, schema=schema_of("scores"))


@pytest.fixture
def lake(any_lake) -> Lake:
    """Version 0: p, q of a; 1: r of b; 2: a has s only; 3: b is gone."""
    lake = any_lake
    lake.overwrite("scores", scores("a", "p", "q"), experiment="a", iteration=1)
    lake.append("scores", scores("b", "r"))
    lake.overwrite("scores", scores("a", "s"), experiment="a", iteration=1)
    lake.delete("scores", experiment="b", iteration=1)
    lake.append("source_rows", pl.DataFrame(schema=schema_of("source_rows")).clear(1))
    return lake


def test_every_commit_names_its_rows_and_files(lake):
    found = read_table_history(lake, ["scores"])
    columns = ("version", "operation", "rows_added", "rows_removed", "files_removed")
    assert found.select(columns).rows() == [
        (0, "WRITE", 2, 0, 0),
        (1, "WRITE", 1, 0, 0),
        (2, "WRITE", 1, 2, 1),
        (3, "DELETE", 0, 1, 1),
    ]
    assert found["slice"][2] == "experiment = 'a' and iteration = 1"
    files = [file for file in lake.store.list_files("tables/scores") if "_log" not in file.path]
    assert found["bytes_added"].sum() == sum(file.bytes for file in files)


def test_the_time_of_a_commit_finds_its_version(lake):
    history = read_table_history(lake)
    for table, version, moment in history.select("table", "version", "timestamp").rows():
        found = find_versions(lake, [moment.isoformat()])[table]
        # commits may share a millisecond: then the last one counts
        assert found >= version
        same = (pl.col("table") == table) & (pl.col("timestamp") == moment)
        assert found == history.filter(same)["version"].max()


def test_a_table_did_not_exist_before_its_first_commit(lake):
    assert find_versions(lake, ["2001-01-01"]) == {"scores": None, "source_rows": None}
    assert find_versions(lake, ["2001-01-01", "scores@2"]) == {"scores": 2, "source_rows": None}
    assert find_versions(lake, []) == {}


def test_a_time_without_an_offset_is_utc(lake):
    moment = datetime.now(UTC).replace(tzinfo=None)
    assert find_versions(lake, [moment.isoformat()]) == {"scores": 3, "source_rows": 0}
    assert find_versions(lake, [f"{moment.isoformat()}+14:00"])["scores"] is None


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (["yesterday"], "cannot be read"),
        (["2026-01-01", "2026-01-02"], "two times"),
        (["scores@4"], "4 versions scores@0 ... scores@3"),
        (["scores@-1"], "no such version"),
        (["score@1"], "table score is missing"),
    ],
)
def test_a_point_that_is_none_is_refused(lake, points, message):
    with pytest.raises(InputError, match=message):
        find_versions(lake, points)


def test_a_time_before_the_oldest_commit_of_a_cleaned_log_is_refused(lake):
    lake.delta("scores").create_checkpoint()
    for version in (0, 1):
        lake.store.remove(f"tables/scores/_delta_log/{version:020}.json")
    assert read_table_history(lake, ["scores"])["rows_removed"].to_list() == [None, None]
    with pytest.raises(InputError, match="the history of scores begins later"):
        find_versions(lake, ["2001-01-01"])


def test_a_time_between_versions_that_were_removed_is_refused(lake):
    """Version 1 is gone: it may have been the last one before version 2."""
    times = read_table_history(lake, ["scores"])["timestamp"]
    lake.delta("scores").create_checkpoint()
    lake.store.remove("tables/scores/_delta_log/00000000000000000001.json")
    found = read_table_history(lake, ["scores"])
    assert found["version"].to_list() == [0, 2, 3]
    with pytest.raises(InputError, match="removed versions 1 to 1, which nothing refers to"):
        find_versions(lake, [(times[2] - timedelta(milliseconds=1)).isoformat()])
    assert find_versions(lake, [times[2].isoformat()])["scores"] in (2, 3)  # of one millisecond
    with pytest.raises(InputError, match="scores has no such version"):
        find_versions(lake, ["scores@1"])
    assert find_versions(lake, ["scores@2"]) == {"scores": 2}


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085", "\x0b", "\x1e"])
def test_a_line_separator_in_the_largest_text_of_a_column_splits_no_log(tmp_path, separator):
    lake = Lake(tmp_path)
    before = costs.list_last_commits(lake)
    lake.append("scores", scores("a", "a", f"z{separator}z"))
    assert read_table_history(lake)["rows_added"].to_list() == [2]
    facts = {"asset": "s", "experiment": "a", "output_id": "x", "run_id": "r", "elapsed_s": 1.0}
    costs.record(lake, before, **facts, metadata={"dagster/row_count": 2}, settings={})
    assert costs.read_costs(lake)["bytes"].item() > 0
    assert maintain(lake, retention_hours=0, dry_run=True)["versions"].to_list() == [1, 1]
