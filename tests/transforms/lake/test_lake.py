import polars as pl
import pytest
from deltalake import write_deltalake

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of

SCORES = pl.Schema(schema_of("scores"))


@pytest.fixture
def lake(any_lake):
    return any_lake


def scores(experiment, iteration, *rewards):
    rows = [
        {"experiment": experiment, "iteration": iteration, "prompt_id": f"p{n}", "reward": reward}
        for n, reward in enumerate(rewards)
    ]
    return pl.DataFrame(rows, schema=SCORES)


def test_overwriting_a_slice_leaves_the_others_and_the_history(lake):
    lake.overwrite("scores", scores("a", 1, 1.0), experiment="a", iteration=1)
    lake.overwrite("scores", scores("a", 2, 2.0), experiment="a", iteration=2)
    before = lake.overwrite("scores", scores("b", 1, 3.0), experiment="b", iteration=1)
    after = lake.overwrite("scores", scores("a", 1, 9.0, 8.0), experiment="a", iteration=1)
    assert after == before + 1
    assert sorted(lake.read("scores")["reward"]) == [2.0, 3.0, 8.0, 9.0]
    assert lake.read("scores", experiment="a", iteration=2)["reward"].to_list() == [2.0]
    assert sorted(lake.read("scores", before)["reward"]) == [1.0, 2.0, 3.0]


def test_an_empty_slice_replaces_a_full_one(lake):
    lake.overwrite("scores", scores("a", 1, 1.0), experiment="a", iteration=1)
    lake.overwrite("scores", scores("a", 1), experiment="a", iteration=1)
    assert lake.read("scores").is_empty()


def test_append_and_delete(lake):
    lake.append("scores", scores("a", 1, 1.0))
    lake.append("scores", scores("a", 2, 2.0))
    lake.delete("scores", experiment="a", iteration=1)
    assert lake.read("scores")["reward"].to_list() == [2.0]


def test_a_quote_in_a_slice_is_escaped(lake):
    for reward in (1.0, 2.0):
        lake.overwrite("scores", scores("it's", 1, reward), experiment="it's", iteration=1)
    assert lake.read("scores")["reward"].to_list() == [2.0]


def test_rows_outside_the_slice_and_wrong_columns_are_refused(lake):
    with pytest.raises(InputError, match="rows outside the slice"):
        lake.overwrite("scores", scores("b", 1, 1.0), experiment="a", iteration=1)
    with pytest.raises(InputError, match="do not fit table scores"):
        lake.append("scores", scores("b", 1, 1.0).drop("reward"))
    assert lake.tables() == []


def test_a_raw_table_follows_its_source(lake):
    lake.overwrite("raw_x", pl.DataFrame({"a": [1]}))
    lake.overwrite("raw_x", pl.DataFrame({"b": ["y"]}))
    assert lake.read("raw_x").to_dicts() == [{"b": "y"}]


def test_a_table_that_was_never_written_has_no_rows_if_asked_so(lake):
    missing = lake.read_or_empty("scores", experiment="a")
    assert (missing.height, missing.schema) == (0, SCORES)
    lake.append("scores", scores("a", 1, 1.0))
    lake.append("scores", scores("b", 1, 2.0))
    found = lake.read_or_empty("scores", experiment="b")
    assert (found["reward"].to_list(), found.schema) == ([2.0], SCORES)
    assert lake.scan_or_empty("scores").collect()["reward"].to_list() == [1.0, 2.0]


def test_a_missing_table_is_named_with_those_that_exist(lake):
    lake.append("scores", scores("a", 1, 1.0))
    assert (lake.exists("scores"), lake.exists("prompts")) == (True, False)
    with pytest.raises(InputError, match=r"table prompts is missing\n.*\n.*tables scores"):
        lake.read("prompts")


def test_frames_of_one_block_are_one_commit(lake):
    lake.overwrite("scores", scores("a", 1, 9.0), experiment="a", iteration=1)
    with lake.overwrite_frames("scores", SCORES, experiment="a", iteration=1) as write:
        for reward in range(20):
            write(scores("a", 1, float(reward)))
    assert sorted(lake.read("scores")["reward"]) == [float(n) for n in range(20)]
    assert lake.version("scores") == 1


def overwrite_scores(lake, frames, error=None):
    with lake.overwrite_frames("scores", SCORES, experiment="a", iteration=1) as write:
        for frame in frames:
            write(frame)
        if error:
            raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("written", [0, 1, 20])
def test_an_error_in_the_block_leaves_the_table_as_it_was(lake, error, written):
    lake.overwrite("scores", scores("a", 1, 9.0), experiment="a", iteration=1)
    with pytest.raises(error):
        overwrite_scores(lake, [scores("a", 1, 1.0)] * written, error)
    assert lake.version("scores") == 0
    assert lake.read("scores")["reward"].to_list() == [9.0]


def test_a_row_outside_the_slice_stops_the_block(lake):
    lake.overwrite("scores", scores("a", 1, 9.0), experiment="a", iteration=1)
    with pytest.raises(InputError, match="rows outside the slice"):
        overwrite_scores(lake, [scores("a", 1, 1.0), scores("b", 1, 1.0)])
    assert lake.read("scores")["reward"].to_list() == [9.0]


@pytest.mark.parametrize("after", [0, 50])
def test_an_error_of_the_writer_stops_the_block_and_comes_out_of_it(lake, after):
    def overwrite(frames):
        with lake.overwrite_frames("raw_x", pl.Schema({"a": pl.Int64})) as write:
            for frame in frames:
                write(frame)

    lake.overwrite("raw_x", pl.DataFrame({"a": [1]}))
    frames = [pl.DataFrame({"b": ["no such column"]}), *[pl.DataFrame({"a": [2]})] * after]
    with pytest.raises(Exception, match=r"(?i)schema|column|field|type") as caught:
        overwrite(frames)
    assert not isinstance(caught.value, BrokenPipeError)
    assert lake.version("raw_x") == 0
    assert lake.read("raw_x")["a"].to_list() == [1]


def test_batches_hold_every_row_once_in_order(lake, monkeypatch):
    monkeypatch.setattr("transforms.lake.batched_reads.BATCH_BYTES", 1)
    lake.overwrite("raw_x", pl.DataFrame({"a": range(1_000)}))
    frames = list(lake.read_frames("raw_x"))
    assert len(frames) > 10
    assert pl.concat(frames)["a"].to_list() == list(range(1_000))
    assert pl.concat(lake.read_frames("raw_x", a=7))["a"].to_list() == [7]


@pytest.mark.parametrize("batch_rows", [2_000, 400])
def test_rows_of_a_group_come_in_one_frame_in_their_order(lake, monkeypatch, batch_rows):
    monkeypatch.setattr("transforms.lake.batched_reads.GROUPED_BATCH_ROWS", batch_rows)
    groups = [None if n % 101 == 0 else f"g{n % 101}" for n in range(1_010)]
    rows = pl.DataFrame({"n": range(1_010), "group": groups})
    lake.overwrite("raw_x", rows)
    frames = list(lake.read_frames("raw_x", group_by="group"))
    assert (len(frames) > 1) == (batch_rows == 400)
    assert pl.concat(frames).sort("n").equals(rows)
    assert all(frame["n"].is_sorted() for frame in frames)
    homes = pl.concat(f.select("group", home=pl.lit(n)).unique() for n, f in enumerate(frames))
    assert homes["group"].is_unique().all()
    assert not list(lake.store.work.glob("grouped-*"))


def test_an_empty_table_has_no_batches_with_rows(lake):
    lake.overwrite("raw_x", pl.DataFrame(schema={"a": pl.Int64}))
    for group_by in (None, "a"):
        assert sum(frame.height for frame in lake.read_frames("raw_x", group_by=group_by)) == 0


def test_a_reading_that_ends_early_is_no_end(lake, monkeypatch):
    lake.overwrite("raw_x", pl.DataFrame({"a": range(1_000)}))
    monkeypatch.setattr("transforms.lake.batched_reads.WINDOW_ROWS", 100)
    monkeypatch.setattr("transforms.lake.batched_reads.BATCH_BYTES", 1)
    half = pl.DataFrame({"first": [0], "last": [499]})
    monkeypatch.setattr("transforms.lake.batched_reads.read_numbers", lambda _: half)
    with pytest.raises(InterruptedError, match=r"only 500 of 1000 rows of .*raw_x/? were read"):
        list(lake.read_frames("raw_x"))


@pytest.mark.parametrize("name", ["raw_../../../outside", "raw_a/b", "..", "", "raw_x\n", "raw_ä"])
def test_a_table_name_that_is_a_path_is_refused(tmp_path, name):
    lake = Lake(tmp_path / "home" / "lake")
    with pytest.raises(InputError, match="cannot be the name of a table"):
        lake.overwrite(name, pl.DataFrame({"row_key": ["a"]}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["../outside", "/etc", "checkpoints/../../outside"])
def test_a_path_in_a_table_stays_in_the_lake(lake, path):
    with pytest.raises(InputError, match="leads out of it"):
        lake.locate(path)
    assert lake.locate("checkpoints/b/../a") == "checkpoints/a"


@pytest.mark.parametrize("missing", ["_row_number", "policy_id"])
def test_a_table_of_another_version_is_refused_by_its_missing_column(tmp_path, missing):
    rows = pl.DataFrame(schema={"_row_number": pl.Int64, **schema_of("generations")})
    write_deltalake(tmp_path / "tables" / "generations", rows.drop(missing))
    with pytest.raises(InputError, match=rf"(?s)another version of prefloop.*no {missing}"):
        Lake(tmp_path).read("generations")
