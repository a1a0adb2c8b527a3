import re

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.enforcement import enforce_schema
from transforms.lake.schemas import TABLES
from transforms.lake.schemas.preferences import raw_table
from transforms.lake.schemas.records import COMPUTED
from transforms.public_sets.registry import build_benchmark_columns


def test_enforce_orders_columns_and_changes_nothing_else():
    frame = pl.DataFrame({"split": ["validation"], "prompt_id": ["p"]})
    assert enforce_schema("prompt_splits", frame).columns == ["prompt_id", "split"]


def test_all_differences_are_listed():
    frame = pl.DataFrame({"prompt_id": [1], "extra": [2]})
    with pytest.raises(InputError) as error:
        enforce_schema("prompt_splits", frame)
    for said in ("split missing", "extra unknown", "prompt_id is Int64, not String"):
        assert said in str(error.value)


def test_partition_columns_exist():
    for table in TABLES.values():
        assert set(table.partitions) < set(table.columns)


RAW_TABLE = raw_table({"score": pl.Int64})

DESCRIBED = [
    (name, column, described)
    for name, table in [*TABLES.items(), *COMPUTED.items(), ("raw_x", RAW_TABLE)]
    for column, described in table.columns.items()
]


def test_every_table_has_a_grain_and_every_column_a_short_meaning():
    for table in [*TABLES.values(), *COMPUTED.values(), RAW_TABLE]:
        assert re.fullmatch(r"One row per [^\n]+\.", table.grain)
        assert len(table.grain) <= 100
    for name, column, described in DESCRIBED:
        where = f"{name}.{column}"
        assert re.fullmatch(r"[^\n]{3,72}(?<!\.)", described.meaning), where
        assert "<" not in described.meaning, f"{where}: markdown would take it for a tag"


UNITS = {
    r"_tokens$": "tokens",
    r"_chars(_se)?$": "chars",
    r"(?<!max)_s$": "seconds",
    r"_share(_se)?$": "share",
    r"logp$": "nats",
    r"^bytes": "bytes",
    r"_reward$": "reward units",
    r"^pearson$": "−1 to 1",
}


def test_names_and_units_agree():
    for name, column, described in DESCRIBED:
        for pattern, unit in UNITS.items():
            if re.search(pattern, column) and column != "chosen_to_rejected_chars_se":
                found = described.unit
                assert found == unit or column.startswith("chosen_to_rejected"), f"{name}.{column}"


def test_every_float_has_a_unit_or_states_that_it_has_none():
    bare = [
        f"{name}.{column}"
        for name, column, described in DESCRIBED
        if described.dtype in (pl.Float32, pl.Float64) and described.unit is None
        if "has no unit" not in described.meaning
    ]
    assert bare == ["training_metrics.epoch"]  # passes over the data
    # the unit of a length is in its name, or in another column
    lengths = [
        column
        for name, column, _ in DESCRIBED
        if "length" in column and "unit" not in TABLES[name].columns
    ]
    # computed from lengths, but not a length: its declaration names their unit
    derived = ("reward_length_", "length_controlled_", "length_coefficient", "length_growth")
    assert [column for column in lengths if not column.startswith(derived)] == []


def test_computed_tables_have_the_columns_that_are_declared():
    assert build_benchmark_columns().schema == COMPUTED["benchmark_columns"].schema


def test_types_have_short_names():
    names = {described.type_name for _, _, described in DESCRIBED}
    assert names == {
        "text", "int32", "int64", "uint32", "float64", "bool", "time (UTC)", "messages",
        "list of (metric, value)",
        "list of (benchmark, metric, value, current_value, fall, max_fall, missing)",
    }  # fmt: skip
