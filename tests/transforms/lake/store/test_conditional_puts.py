"""Stores whose conditional puts work, and one that ignores the condition."""

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.store import conditional_puts

pytestmark = pytest.mark.slow
ROW = pl.DataFrame({"row_key": ["a"]})


@pytest.mark.parametrize("server", ["weed", "moto"])
def test_a_store_that_passes_is_tested_once_per_lake(make_address, server, monkeypatch):
    lake = Lake(make_address(server))
    lake.append("raw_x", ROW)
    [record] = [file.path for file in lake.store.list_files("") if "tables" not in file.path]
    assert record == conditional_puts.RECORD
    monkeypatch.setattr(conditional_puts, "find_faults", lambda _: pytest.fail("tested again"))
    fresh = type(lake.store)(lake.root)
    fresh.prepare()


def test_a_store_that_ignores_conditions_is_refused_before_the_first_write(make_address):
    lake = Lake(make_address("rclone"))
    with pytest.raises(InputError, match="8 of 8 writers created the same object"):
        lake.append("raw_x", ROW)
    assert lake.tables() == []
