"""Rows are read in the order in which they were written, however Delta stores them."""

import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.lake.lake import Lake
from transforms.lake.row_order import ROW_NUMBER
from transforms.lake.schemas import schema_of
from transforms.views.query import connect, query

DROPPED = pl.Schema(schema_of("dropped_rows"))
RAW = pl.Schema({"row_key": pl.String, "n": pl.Int64})
BATCHES, HEIGHT = 60, 50
"""Enough batches that Delta's writer mixes them on every machine with two cores or more."""


def dropped(table, source, numbers):
    rows = [{"table": table, "source": source, "row_key": str(n)} for n in numbers]
    return pl.DataFrame(rows, schema=DROPPED)


def list_keys(rows):
    return rows["row_key"].cast(pl.Int64).to_list()


@pytest.fixture
def lake(any_lake):
    return any_lake


@pytest.fixture
def small_files(monkeypatch):
    """Many files per commit, and many reads per table."""
    monkeypatch.setattr("transforms.lake.commit.FILE_BYTES", 1 << 10)
    monkeypatch.setattr("transforms.lake.staged_write.PART_BYTES", 1 << 10)
    for name, value in {"BATCH_BYTES": 1, "WINDOW_ROWS": 70}.items():
        monkeypatch.setattr(f"transforms.lake.batched_reads.{name}", value)


def overwrite_in_batches(lake, name="raw_x", /, **rows):
    schema = RAW if name == "raw_x" else DROPPED
    with lake.overwrite_frames(name, schema, **rows) as write:
        for start in range(0, BATCHES * HEIGHT, HEIGHT):
            numbers = range(start, start + HEIGHT)
            if name == "raw_x":
                write(pl.DataFrame({"row_key": "k", "n": numbers}, schema=RAW))
            else:
                write(dropped(numbers=numbers, **rows))


@pytest.mark.usefixtures("small_files")
def test_batches_and_files_of_a_commit_keep_their_order(lake):
    for _ in range(3):
        overwrite_in_batches(lake)
        assert len(lake.delta("raw_x").file_uris()) > 1
        expected = list(range(BATCHES * HEIGHT))
        assert lake.read("raw_x")["n"].to_list() == expected
        frames = list(lake.read_frames("raw_x"))
        assert len(frames) > 20
        assert pl.concat(frames)["n"].to_list() == expected
        with connect(lake) as connection:
            assert query(connection, "from raw_x")["n"].to_list() == expected


@pytest.mark.usefixtures("small_files")
def test_slices_are_in_the_order_of_their_columns_whenever_they_were_written(lake):
    for source in ("c", "a", "b", "a"):
        overwrite_in_batches(lake, "dropped_rows", table="t", source=source)
    expected = [(source, n) for source in "abc" for n in range(BATCHES * HEIGHT)]
    for rows in (lake.read("dropped_rows"), pl.concat(lake.read_frames("dropped_rows"))):
        assert list(zip(rows["source"], list_keys(rows), strict=True)) == expected
    of_b = pl.concat(lake.read_frames("dropped_rows", source="b"))
    assert list_keys(of_b) == list(range(BATCHES * HEIGHT))


def test_the_slices_of_one_frame_are_in_the_order_of_their_columns(lake):
    frame = pl.concat([dropped(table, "s", [n]) for n in range(9) for table in "bca"])
    lake.overwrite("dropped_rows", frame)
    assert lake.read("dropped_rows").equals(frame.sort("table", maintain_order=True))


def test_appended_rows_come_after_earlier_ones_also_when_their_files_are_merged(lake):
    for number in range(12):
        lake.append("raw_x", pl.DataFrame({"n": [2 * number, 2 * number + 1]}))
    assert lake.read("raw_x")["n"].to_list() == list(range(24))
    lake.delta("raw_x").optimize.compact()
    assert lake.read("raw_x")["n"].to_list() == list(range(24))


def test_a_table_without_files_can_be_read_and_written(lake):
    lake.append("raw_x", pl.DataFrame({"n": [1]}))
    lake.delete("raw_x", n=1)
    assert lake.read("raw_x").is_empty()
    assert list(lake.read_frames("raw_x")) == []
    overwrite_in_batches(lake, "dropped_rows", table="t", source="a")
    lake.delete("dropped_rows", table="t")
    for _ in range(2):
        overwrite_in_batches(lake, "dropped_rows", table="t", source="a")
    lake.append("raw_x", pl.DataFrame({"n": [2]}))
    assert lake.read("raw_x")["n"].to_list() == [2]
    assert list_keys(lake.read("dropped_rows")) == list(range(BATCHES * HEIGHT))


def test_grouped_rows_are_in_the_same_frames_in_two_lakes(tmp_path, monkeypatch):
    monkeypatch.setattr("transforms.lake.batched_reads.GROUPED_BATCH_ROWS", 100)
    read = []
    for name in ("one", "two"):
        lake = Lake(tmp_path / name)
        with lake.overwrite_frames("raw_x", pl.Schema({"n": pl.Int64, "g": pl.Int64})) as write:
            for start in range(0, BATCHES * HEIGHT, HEIGHT):
                numbers = pl.Series("n", range(start, start + HEIGHT))
                write(pl.DataFrame({"n": numbers, "g": numbers % 97}))
        read.append([frame.rows() for frame in lake.read_frames("raw_x", group_by="g")])
    assert len(read[0]) > 10
    assert read[0] == read[1]
    assert all(frame == sorted(frame) for frame in read[0])


def test_only_the_files_have_the_number(lake):
    lake.append("raw_x", pl.DataFrame({"n": [1]}))
    assert lake.read("raw_x").columns == ["n"]
    stored = DeltaTable(lake.address("raw_x")).schema()
    assert [field.name for field in stored.fields] == [ROW_NUMBER, "n"]


@settings(max_examples=10, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), max_size=5), min_size=1, max_size=8))
def test_law_reading_is_the_concatenation_of_the_written_frames(tmp_path_factory, written):
    lake = Lake(tmp_path_factory.mktemp("lake"))
    with lake.overwrite_frames("raw_x", pl.Schema({"n": pl.Int64})) as write:
        for numbers in written:
            write(pl.DataFrame({"n": numbers}, schema={"n": pl.Int64}))
    for numbers in written:
        lake.append("raw_x", pl.DataFrame({"n": numbers}, schema={"n": pl.Int64}))
    assert lake.read("raw_x")["n"].to_list() == 2 * [n for numbers in written for n in numbers]
