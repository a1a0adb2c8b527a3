import polars as pl
import pytest
from deltalake import write_deltalake

from transforms.errors import InputError
from transforms.lake import chunks, commit
from transforms.lake.chunk_names import name_chunk
from transforms.lake.chunks import Chunks
from transforms.lake.lake import Lake
from transforms.settings.commits import CommitSettings

TABLE = "dropped_pairs"
EACH = CommitSettings(seconds=0)
HOUR = CommitSettings(seconds=3600)


def chunk(*prompts):
    return pl.DataFrame(
        [{"experiment": "e", "iteration": 1, "prompt_id": p, "reason": "tie"} for p in prompts],
        schema_overrides={"iteration": pl.Int32},
    )


def append(lake, *parts, settings=HOUR, error=None):
    """Append the parts as a stage that ends, with or without an error."""
    with Chunks(lake, TABLE, settings) as write:
        for part in parts:
            write(part)
        if error:
            raise error


def read_prompts(lake):
    return lake.read(TABLE)["prompt_id"].to_list()


@pytest.fixture
def lake(any_lake):
    return any_lake


@pytest.fixture
def clock(monkeypatch):
    """Seconds that tests move on by hand."""

    class Clock:
        now = 0.0

    monkeypatch.setattr(chunks.time, "monotonic", lambda: Clock.now)
    return Clock


def test_chunks_are_appended_in_order(lake):
    append(lake, chunk("b", "a"), chunk("c"), settings=EACH)
    assert read_prompts(lake) == ["b", "a", "c"]
    assert lake.version(TABLE) == 1


def test_waiting_chunks_are_one_commit_at_the_end(lake):
    append(lake, chunk("b", "a"), chunk("c"))
    assert read_prompts(lake) == ["b", "a", "c"]
    assert lake.version(TABLE) == 0


def test_the_chunk_that_reaches_the_rows_is_committed_with_those_before(lake):
    with Chunks(lake, TABLE, CommitSettings(rows=3, seconds=3600)) as write:
        write(chunk("a", "b"))
        assert not lake.exists(TABLE)
        write(chunk("c", "d"))
        assert read_prompts(lake) == ["a", "b", "c", "d"]
        write(chunk("e"))
        assert lake.height(TABLE) == 4
    assert lake.height(TABLE) == 5
    assert lake.version(TABLE) == 1


def test_a_chunk_that_comes_long_after_the_last_commit_is_committed(lake, clock):
    with Chunks(lake, TABLE, CommitSettings(seconds=60)) as write:
        clock.now = 59
        write(chunk("a"))
        assert not lake.exists(TABLE)
        clock.now = 61
        write(chunk("b"))
        assert read_prompts(lake) == ["a", "b"]
        clock.now = 120
        write(chunk("c"))
        assert lake.height(TABLE) == 2
        clock.now = 121
        write(chunk("d"))
        assert lake.height(TABLE) == 4


def test_a_flush_commits_what_waits(lake):
    with Chunks(lake, TABLE, HOUR) as write:
        write.flush()
        assert not lake.exists(TABLE)
        write(chunk("a"))
        write.flush()
        write.flush()
        assert read_prompts(lake) == ["a"]
    assert lake.version(TABLE) == 0


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_the_stage_loses_no_finished_chunk(lake, error):
    with pytest.raises(error):
        append(lake, chunk("a"), error=error)
    assert read_prompts(lake) == ["a"]


def test_a_chunk_of_another_schema_is_refused_at_once_and_the_others_are_kept(lake):
    with pytest.raises(InputError, match="do not fit"):
        append(lake, chunk("a"), chunk("b").drop("reason"))
    assert read_prompts(lake) == ["a"]


def test_a_commit_that_fails_is_tried_once_and_its_error_is_raised(lake, monkeypatch):
    tries = []

    def fail(*arguments):
        tries.append(arguments)
        raise OSError("no store")

    monkeypatch.setattr(lake, "append_chunks", fail)
    with pytest.raises(OSError, match="no store"):
        append(lake, chunk("a"), chunk("b"), settings=EACH)
    assert len(tries) == 1
    with pytest.raises(ValueError, match="of the stage") as raised:
        append(lake, chunk("a"), error=ValueError("of the stage"))
    assert raised.value.__notes__ == ["1 finished chunks could not be committed: no store"]


def test_a_chunk_of_two_writers_is_there_once(lake):
    for prompts in ("p", "q", "p", "q"):
        append(lake, chunk(*prompts))
    assert read_prompts(lake) == ["p", "q"]
    assert lake.version(TABLE) == 1


def test_a_chunk_that_shares_a_commit_with_others_is_there_once(lake):
    a, b, c, d = map(chunk, "abcd")
    append(lake, a, b, c)
    append(lake, b, d, c)
    append(lake, c, c, b)
    assert read_prompts(lake) == ["a", "b", "c", "d"]
    assert lake.version(TABLE) == 1


@pytest.mark.parametrize("others", [("p",), ("q", "p")])
def test_of_two_writers_that_see_the_same_version_one_commits_a_chunk(lake, monkeypatch, others):
    """The other one commits between the first one's look at the table and its own commit."""
    append(lake, chunk("first"))
    waiting = list(map(chunk, others))

    def write_after_another(*args, **kwargs):
        if waiting:
            mine, waiting[:] = waiting[:], []
            append(Lake(lake.root), *mine)
        write_deltalake(*args, **kwargs)

    monkeypatch.setattr(commit, "write_deltalake", write_after_another)
    append(lake, chunk("p"), chunk("r"))
    assert sorted(read_prompts(lake)) == sorted(["first", *others, "r"])
    assert lake.version(TABLE) == 2


def test_a_commit_that_a_kill_cut_short_leaves_no_chunk_and_no_trace(lake, monkeypatch):
    """The files are there, but the log does not name them; the same chunks come again."""

    def write_half(delta, rows, **arguments):
        write_deltalake(f"{lake.address(TABLE)}_lost", rows)
        raise KeyboardInterrupt

    append(lake, chunk("a"))
    with monkeypatch.context() as patched:
        patched.setattr(commit, "write_deltalake", write_half)
        with pytest.raises(KeyboardInterrupt):
            append(lake, chunk("b"), chunk("c"))
    assert read_prompts(lake) == ["a"]
    append(lake, chunk("a"), chunk("b"), chunk("c"))
    assert read_prompts(lake) == ["a", "b", "c"]


def test_a_chunk_whose_rows_were_removed_is_written_again(lake):
    for _ in range(3):
        append(lake, chunk("p", "q"))
        append(lake, chunk("p", "q"))
        assert lake.height(TABLE) == 2
        lake.delete(TABLE, experiment="e", iteration=1)
        assert lake.height(TABLE) == 0


def test_the_name_of_a_chunk_is_its_rows_without_the_time_of_the_commit():
    one = chunk("p", "q")
    assert name_chunk(one) == name_chunk(pl.concat([chunk("p"), chunk("q")], rechunk=False))
    assert name_chunk(one) != name_chunk(chunk("q", "p"))
    assert name_chunk(one) == name_chunk(one.with_columns(created_at=pl.lit(1)))
