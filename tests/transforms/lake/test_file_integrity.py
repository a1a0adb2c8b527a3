import os
from pathlib import Path

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.lake import Lake

TABLE = "dropped_pairs"


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path)
    for experiment in ("a", "it's b"):
        rows = {"experiment": [experiment] * 100, "prompt_id": [str(n) for n in range(100)]}
        lake.append(
            TABLE,
            pl.DataFrame(rows).with_columns(iteration=pl.lit(1, pl.Int32), reason=pl.lit("a tie")),
        )
    return lake


def file_of(lake):
    return next(iter(sorted(Path(lake.address(TABLE)).rglob("*.parquet"))))


def test_a_whole_table_reads(lake):
    assert lake.read(TABLE).height == 200


def cut(file: Path):
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize(("damage", "found"), [(cut, "bytes"), (Path.unlink, "no such file")])
def test_a_damaged_file_is_named_and_nothing_aborts(lake, damage, found):
    file = file_of(lake)
    damage(file)
    for read in (lake.read, lambda table: list(lake.read_frames(table))):
        with pytest.raises(InputError) as error:
            read(TABLE)
        message = str(error.value)
        assert f"1 files of table {TABLE} are damaged" in message
        assert file.name in message
        assert found in message


def test_damage_of_a_later_version_leaves_the_earlier_one_readable(lake):
    lake.append(TABLE, lake.read(TABLE, experiment="a"))
    added = set(lake.delta(TABLE).file_uris()) - set(lake.delta(TABLE, 1).file_uris())
    cut(Path(added.pop().removeprefix("file://")))
    assert lake.read(TABLE, 1).height == 200
    with pytest.raises(InputError):
        lake.read(TABLE)
