"""Order of the rows of record tables: by the version that their commit made."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import polars as pl
import pytest

from transforms.lake.lake import Lake
from transforms.lake.records import materializations, predicted_costs, promotions
from transforms.lake.schemas import TABLES, schema_of
from transforms.lake.schemas.table import ORDER

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BEFORE = datetime(2026, 1, 1, 11, tzinfo=UTC)
ORDERED = [name for name, table in TABLES.items() if ORDER in table.columns]


def append(lake: Lake, table: str, **row: object) -> int:
    return lake.append(table, pl.DataFrame([row], schema=schema_of(table)))


@pytest.mark.parametrize("table", ORDERED)
def test_a_row_has_the_version_of_its_commit(tmp_path, table):
    lake = Lake(tmp_path)
    versions = [append(lake, table) for _ in range(3)]
    lake.delta(table).optimize.compact()
    versions.append(append(lake, table))
    assert lake.read(table).sort(ORDER)[ORDER].to_list() == versions == [0, 1, 2, 4]


def test_rows_of_several_writers_have_a_version_each(tmp_path):
    lake = Lake(tmp_path)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: append(Lake(tmp_path), "costs", rows=number), range(24)))
    rows = lake.read("costs")
    assert sorted(rows[ORDER]) == list(range(24))
    for version, number in rows.select(ORDER, "rows").iter_rows():
        assert number in lake.read("costs", version)["rows"].to_list()
        assert version == 0 or number not in lake.read("costs", version - 1)["rows"].to_list()


def test_the_last_materialization_and_cost_are_the_last_commits(tmp_path):
    lake, key = Lake(tmp_path), {"asset": "a", "experiment": "e"}
    append(lake, "materializations", **key, output_id="old", created_at=NOON)
    planned = materializations.read_version(lake)
    assert materializations.find_newer(lake, planned, **key) is None
    append(lake, "materializations", **key, output_id="new", created_at=BEFORE)
    assert materializations.read_latest(lake)["a", "e"]["output_id"] == "new"
    newer = materializations.find_newer(lake, planned, **key)
    assert newer is not None
    assert newer["output_id"] == "new"
    append(lake, "costs", **key, rows=1, created_at=NOON)
    append(lake, "costs", **key, rows=2, created_at=BEFORE)
    figures = dict.fromkeys(("rows", "tokens", "bytes", "elapsed_s"), 0)
    actual = predicted_costs.add_actual_costs(pl.DataFrame([key | figures]), lake.read("costs"))
    assert actual["actual_rows"].to_list() == [2]


def test_the_current_policy_is_the_last_one_committed(tmp_path):
    lake = Lake(tmp_path)
    append(lake, "promotions", policy_id="old", promoted=True, created_at=NOON)
    append(lake, "promotions", policy_id="new", promoted=True, created_at=BEFORE)
    current = promotions.find_current(lake)
    assert current is not None
    assert current["policy_id"] == "new"
