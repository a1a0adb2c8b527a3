"""A slice in parts: bounded parts, one commit, nothing left behind."""

import polars as pl
import pytest

from transforms.lake import staged_write
from transforms.lake.file_integrity import find_damaged_files
from transforms.lake.schemas import schema_of

SCHEMA = pl.Schema({"n": pl.Int64})
PART_ROWS = 100


@pytest.fixture
def lake(any_lake):
    return any_lake


@pytest.fixture
def written(monkeypatch):
    """Heights of the frames that the writer of files gets."""
    heights = []
    write_parquet = pl.DataFrame.write_parquet

    def spy(frame, *args, **kwargs):
        heights.append(frame.height)
        return write_parquet(frame, *args, **kwargs)

    monkeypatch.setattr(staged_write, "PART_BYTES", 8 * PART_ROWS)
    monkeypatch.setattr(pl.DataFrame, "write_parquet", spy)
    return heights


def write_numbers(lake, numbers, frame_rows=30):
    with lake.overwrite_frames("raw_x", SCHEMA) as write:
        for start in range(0, len(numbers), frame_rows):
            write(pl.DataFrame({"n": numbers[start : start + frame_rows]}, SCHEMA))


def test_the_writer_never_gets_more_than_a_part_and_a_frame(lake, written):
    for version in range(2):
        numbers = list(range(version, 1000))
        write_numbers(lake, numbers)
        assert lake.version("raw_x") == version
        assert lake.read("raw_x")["n"].to_list() == numbers
    assert max(written) <= PART_ROWS + 30
    assert len(written) > 10


def test_the_staged_table_is_removed_also_after_an_error(lake, written):
    write_numbers(lake, [1])
    with pytest.raises(TypeError, match="no number"):
        write_numbers(lake, [*range(500), "no number"])
    assert lake.read("raw_x")["n"].to_list() == [1]
    assert not list(lake.store.work.glob("staged-*"))
    assert len(written) > 3


def test_no_frames_empty_the_slice(lake):
    write_numbers(lake, [1, 2])
    write_numbers(lake, [])
    assert lake.read("raw_x").is_empty()
    assert lake.version("raw_x") == 1


def test_a_table_takes_the_columns_of_the_frames(lake):
    write_numbers(lake, [1])
    with lake.overwrite_frames("raw_x", pl.Schema({"text": pl.String})) as write:
        write(pl.DataFrame({"text": ["y"]}))
    assert lake.read("raw_x").to_dicts() == [{"text": "y"}]


def test_a_slice_with_signs_in_its_name_is_replaced(lake):
    name = "it's a=b/ü%20"
    scores = pl.Schema(schema_of("scores"))
    row = {"experiment": name, "iteration": 1, "prompt_id": "p"}
    for reward in (1.0, 2.0):
        with lake.overwrite_frames("scores", scores, experiment=name, iteration=1) as write:
            write(pl.DataFrame([{**row, "reward": reward}], schema=scores))
    assert lake.read("scores", experiment=name)["reward"].to_list() == [2.0]
    assert find_damaged_files(lake.delta("scores"), lake.store, "scores") == []
