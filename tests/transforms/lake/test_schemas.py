import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.enforcement import enforce
from transforms.lake.schemas import PARTITIONS, SCHEMAS


def test_enforce_orders_columns_and_changes_nothing_else():
    frame = pl.DataFrame({"split": ["validation"], "prompt_id": ["p"]})
    assert enforce("prompt_splits", frame).columns == ["prompt_id", "split"]


def test_all_differences_are_listed():
    frame = pl.DataFrame({"prompt_id": [1], "extra": [2]})
    with pytest.raises(InputError) as error:
        enforce("prompt_splits", frame)
    for said in ("split missing", "extra unknown", "prompt_id is Int64, not String"):
        assert said in str(error.value)


def test_partition_columns_exist_and_units_are_named():
    for table, columns in PARTITIONS.items():
        assert set(columns) < set(SCHEMAS[table])
    # a length says its unit in its name, or in a column beside it
    schemas = [schema for schema in SCHEMAS.values() if "unit" not in schema]
    lengths = [name for schema in schemas for name in schema if "length" in name]
    # what is made of lengths, and is none itself: its own comment says of what unit
    derived = ("reward_length_", "length_controlled_", "length_coefficient")
    assert [name for name in lengths if not name.startswith(derived)] == []
