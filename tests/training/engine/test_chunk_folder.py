import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.engine.chunk_folder import ChunkFolder, divide_rows
from transforms.errors import InputError


def rows(*ids: str) -> pl.DataFrame:
    return pl.DataFrame({"id": ids, "n": range(len(ids))}, schema={"id": pl.String, "n": pl.Int64})


@settings(max_examples=20, deadline=None)
@given(ids=st.lists(st.sampled_from("abcdef"), max_size=12), count=st.integers(1, 5))
def test_every_row_is_in_one_part_and_order_decides_nothing(ids, count):
    frame = rows(*ids)
    parts = divide_rows(frame, "id", count)
    assert len(parts) == count
    assert sorted(pl.concat(parts)["n"]) == frame["n"].to_list()
    assert all(part["n"].is_sorted() for part in parts)
    turned = divide_rows(frame.reverse(), "id", count)
    assert all(a.equals(b.reverse()) for a, b in zip(parts, turned, strict=True))


def test_rows_of_one_key_stay_together_and_parts_are_similar():
    frame = rows(*(f"p{i // 8}" for i in range(8000)))
    parts = divide_rows(frame, "id", 8)
    assert sum(part["id"].n_unique() for part in parts) == 1000
    assert all(700 < part.height < 1300 for part in parts)


def test_a_folder_selects_what_is_missing_from_it(tmp_path):
    folder = ChunkFolder(tmp_path / "new")
    folder.claim({"model": tmp_path, "seed": 1})
    folder.write(rows("c", "a"))
    folder.write(rows("b"))
    (folder.folder / "chunk-000002.partial").write_bytes(b"killed")
    assert [pl.read_parquet(file)["id"].to_list() for file in folder.list_files()] == [
        ["c", "a"],
        ["b"],
    ]
    assert folder.select_missing(rows("d", "a", "b", "e"), ["id"])["id"].to_list() == ["d", "e"]
    folder.claim({"model": tmp_path, "seed": 1})
    with pytest.raises(InputError, match="belongs to another run"):
        folder.claim({"model": tmp_path, "seed": 2})
