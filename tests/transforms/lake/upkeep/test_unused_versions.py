"""Versions that are removed from the log, and the others, which stay readable."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from transforms.lake.chunks import Chunks
from transforms.lake.commit import LOG_SETTINGS
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.lake.transaction_log import list_commits
from transforms.lake.upkeep import unused_versions
from transforms.lake.upkeep.unused_versions import find_unused_versions, remove_versions
from transforms.settings.commits import CommitSettings

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
EVERY = int(LOG_SETTINGS["delta.checkpointInterval"])
EACH = CommitSettings(seconds=0)


def hours(*later):
    return {version: NOON + timedelta(hours=one) for version, one in enumerate(later)}


@pytest.mark.parametrize(
    ("times", "referred", "expected"),
    [
        (hours(0, 1, 2, 3), [], [0, 1]),  # 2 was the last one at 2:30
        (hours(0, 1, 2, 3), [1], [0]),
        (hours(3, 4), [], []),
        (hours(0), [], []),
        (hours(0, 3, 2, 4), [], []),  # by another clock: 0 may have been the last one until 4
        ({5: NOON, 9: NOON, 10: NOON}, [5], [9]),
    ],
)
def test_what_was_replaced_before_the_time_is_unused(times, referred, expected):
    since = NOON + timedelta(hours=2.5)
    assert find_unused_versions(times, referred, since) == expected


def chunk(number):
    row = {"experiment": "e", "iteration": 1, "prompt_id": str(number)}
    return pl.DataFrame([row], schema=schema_of("scores"))


@pytest.fixture
def lake(any_lake):
    """Two more versions than the first checkpoint needs; version n has n + 1 rows."""
    with Chunks(any_lake, "scores", EACH) as append:
        for number in range(EVERY + 2):
            append(chunk(number))
    return any_lake


def list_checkpoints(lake):
    files = [file.path for file in lake.store.list_files("tables/scores/_delta_log")]
    found = [unused_versions.ENTRY.fullmatch(path) for path in files]
    return [int(one[1]) for one in found if one and one[2] == "checkpoint.parquet"]


def require_readable(lake, versions, last):
    for version in versions:
        assert lake.read("scores", version)["prompt_id"].to_list() == [
            str(number) for number in range(version + 1)
        ]
    assert Lake(lake.root).version("scores") == last
    assert Lake(lake.root).read("scores").height == last + 1


def test_the_log_is_checkpointed_after_so_many_commits(lake):
    assert list_checkpoints(lake) == [EVERY - 1]


def test_kept_versions_stay_readable_and_the_table_goes_on(lake):
    last = EVERY + 1
    kept = [0, 3, 7, 8, EVERY - 1, last]
    unused = [version for version in range(last) if version not in kept]
    remove_versions(lake, "scores", unused)
    assert [*list_commits(lake.store, "scores")] == kept
    assert list_checkpoints(lake) == [3, 7, EVERY - 1, last]
    require_readable(lake, kept, last)
    with Chunks(lake, "scores", EACH) as append:
        append(chunk(0))  # the log still has its name
        append(chunk(last + 1))
    require_readable(lake, [3, 8, last], last + 1)
    remove_versions(lake, "scores", [3, 7, EVERY - 1, last])
    assert [*list_commits(lake.store, "scores")] == [0, 8, last + 1]
    require_readable(lake, [0, 8], last + 1)


@pytest.mark.parametrize("step", ["create_checkpoint", "remove_files"])
def test_a_removal_that_is_cut_short_harms_no_kept_version(lake, monkeypatch, step):
    last, kept = EVERY + 1, [4, 9, EVERY + 1]
    unused = [version for version in range(last) if version not in kept]

    def fail(*arguments):
        raise KeyboardInterrupt

    def remove_half(paths):
        for path in paths[::2]:
            lake.store.remove(path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if step == "remove_files":
            patched.setattr(lake.store, "remove_files", remove_half)
        else:
            patched.setattr("deltalake.DeltaTable.create_checkpoint", fail)
        with pytest.raises(KeyboardInterrupt):
            remove_versions(lake, "scores", unused)
    require_readable(lake, kept, last)
    left = set(list_commits(lake.store, "scores"))
    remove_versions(lake, "scores", sorted(left & set(unused)))
    assert [*list_commits(lake.store, "scores")] == kept
    require_readable(lake, kept, last)
