import polars as pl

from transforms.lake.lake import Chunks, Lake

TABLE = "dropped_pairs"


def chunk(*prompts):
    return pl.DataFrame(
        [{"experiment": "e", "iteration": 1, "prompt_id": p, "reason": "tie"} for p in prompts],
        schema_overrides={"iteration": pl.Int32},
    )


def test_chunks_are_appended_in_order(tmp_path):
    lake = Lake(tmp_path)
    write = Chunks(lake, TABLE)
    write(chunk("a", "b"))
    write(chunk("c"))
    assert sorted(lake.read(TABLE)["prompt_id"]) == ["a", "b", "c"]
    assert lake.version(TABLE) == 1


def test_a_chunk_that_is_committed_again_is_there_once(tmp_path):
    lake = Lake(tmp_path)
    write = Chunks(lake, TABLE)
    for number in (1, 1, 2, 1, 2):
        write.commit(chunk(f"p{number}"), number)
    assert sorted(lake.read(TABLE)["prompt_id"]) == ["p1", "p2"]


def test_two_writers_do_not_take_each_others_chunks_for_theirs(tmp_path):
    lake = Lake(tmp_path)
    for writer in (Chunks(lake, TABLE), Chunks(lake, TABLE)):
        writer(chunk("p"))
    assert lake.height(TABLE) == 2
