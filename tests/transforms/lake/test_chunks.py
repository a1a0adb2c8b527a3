import polars as pl
import pytest
from deltalake import write_deltalake

from transforms.lake import commit
from transforms.lake.chunk_names import name_chunk
from transforms.lake.lake import Chunks, Lake

TABLE = "dropped_pairs"


def chunk(*prompts):
    return pl.DataFrame(
        [{"experiment": "e", "iteration": 1, "prompt_id": p, "reason": "tie"} for p in prompts],
        schema_overrides={"iteration": pl.Int32},
    )


@pytest.fixture
def lake(any_lake):
    return any_lake


def test_chunks_are_appended_in_order(lake):
    write = Chunks(lake, TABLE)
    write(chunk("a", "b"))
    write(chunk("c"))
    assert sorted(lake.read(TABLE)["prompt_id"]) == ["a", "b", "c"]
    assert lake.version(TABLE) == 1


def test_a_chunk_of_two_writers_is_there_once(lake):
    for prompts in ("p", "q", "p", "q"):
        Chunks(lake, TABLE)(chunk(*prompts))
    assert sorted(lake.read(TABLE)["prompt_id"]) == ["p", "q"]
    assert lake.version(TABLE) == 1


def test_of_two_writers_that_see_the_same_version_one_commits_a_chunk(lake, monkeypatch):
    """The other one commits between the first one's look at the table and its own commit."""
    Chunks(lake, TABLE)(chunk("first"))
    others = [chunk("p")]

    def write_after_another(*args, **kwargs):
        if others:
            Chunks(Lake(lake.root), TABLE)(others.pop())
        write_deltalake(*args, **kwargs)

    monkeypatch.setattr(commit, "write_deltalake", write_after_another)
    Chunks(lake, TABLE)(chunk("p"))
    assert sorted(lake.read(TABLE)["prompt_id"]) == ["first", "p"]
    assert lake.version(TABLE) == 1


def test_a_chunk_whose_rows_were_removed_is_written_again(lake):
    for _ in range(3):
        Chunks(lake, TABLE)(chunk("p", "q"))
        Chunks(lake, TABLE)(chunk("p", "q"))
        assert lake.height(TABLE) == 2
        lake.delete(TABLE, experiment="e", iteration=1)
        assert lake.height(TABLE) == 0


def test_the_name_of_a_chunk_is_its_rows_without_the_time_of_the_commit():
    one = chunk("p", "q")
    assert name_chunk(one) == name_chunk(pl.concat([chunk("p"), chunk("q")], rechunk=False))
    assert name_chunk(one) != name_chunk(chunk("q", "p"))
    assert name_chunk(one) == name_chunk(one.with_columns(created_at=pl.lit(1)))
