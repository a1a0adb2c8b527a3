"""Examples on disk: written slice by slice, mapped, in their order."""

import polars as pl
import pyarrow as pa
import pytest

from training import reward_model
from training.models.token_counts import DROPPED
from training.runs import examples
from training.runs.examples import (
    ORDER,
    open_examples,
    read_examples,
    read_rows,
    split_fitting,
    write_examples,
)
from training.settings.stages import RewardModelSettings
from transforms.errors import InputError

ROWS = pl.DataFrame({"key": ["a", "b", "c", "d", "e"], "length": [3, 9, 1, 2, 9]})


def make(rows):
    """One token id per unit of length; longer rows than 3 are dropped."""
    ids = pl.int_ranges(pl.col("length"), dtype=pl.Int32)
    return split_fitting(rows.with_columns(input_ids=ids), 3, "key")


@pytest.fixture
def sliced(monkeypatch):
    """Slices of two rows."""
    monkeypatch.setattr(examples, "SLICE_ROWS", 2)


def test_rows_are_made_slice_by_slice_and_mapped(sliced, tmp_path):
    heights = []

    def count(rows):
        heights.append(rows.height)
        return make(rows)

    write_examples(iter([ROWS.head(3), ROWS.tail(2)]), count, tmp_path / "a")
    assert heights == [2, 1, 2]
    found = read_examples(tmp_path / "a")
    assert found.dataset["input_ids"][:] == [[0, 1, 2], [0], [0, 1]]
    assert found.dataset.cache_files[0]["filename"] == str(tmp_path / "a" / "examples.arrow")
    assert found.dataset.column_names == ["length", "input_ids"]
    assert found.dropped.equals(
        pl.DataFrame(
            [(key, "too_long", "9 tokens, at most 3") for key in "be"], DROPPED, orient="row"
        )
    )


def test_slices_do_not_change_the_examples(tmp_path, monkeypatch):
    write_examples(ROWS, make, tmp_path / "whole")
    monkeypatch.setattr(examples, "SLICE_ROWS", 1)
    write_examples(ROWS, make, tmp_path / "sliced")
    whole, cut = read_examples(tmp_path / "whole"), read_examples(tmp_path / "sliced")
    assert whole.dataset[:] == cut.dataset[:]
    assert whole.dropped.equals(cut.dropped)


def test_examples_are_in_the_order_of_their_column(sliced, tmp_path):
    def order(rows):
        kept, dropped = make(rows)
        return kept.with_columns(pl.col("length").cast(pl.String).alias(ORDER)), dropped

    write_examples(ROWS, order, tmp_path / "a")
    dataset = read_examples(tmp_path / "a").dataset
    assert dataset["length"][:] == [1, 2, 3]
    assert dataset.column_names == ["length", "input_ids"]


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (ROWS.filter(length=9), "none among 2 rows, the first: 9 tokens, at most 3"),
        (ROWS.clear(), "no rows"),
        (iter([]), "no rows"),
    ],
)
def test_nothing_to_train_on_is_an_error(tmp_path, rows, found):
    with pytest.raises(InputError, match=f"nothing to train on(.|\n)*{found}"):
        write_examples(rows, make, tmp_path / "a")


def test_written_examples_are_removed_and_given_ones_are_kept(tmp_path):
    with open_examples(ROWS, tmp_path / "model", lambda: make) as opened:
        assert len(opened.dataset) == 3
        assert [path.name for path in tmp_path.iterdir()] == [".model.examples"]
    assert list(tmp_path.iterdir()) == []
    write_examples(ROWS, make, tmp_path / "given")
    with open_examples(tmp_path / "given", tmp_path / "model", pytest.fail) as opened:
        assert len(opened.dataset) == 3
    assert (tmp_path / "given" / "examples.arrow").is_file()


def test_a_file_is_read_in_slices_and_a_folder_is_not(tmp_path):
    ROWS.write_parquet(tmp_path / "rows.parquet")
    assert pl.concat(read_rows(tmp_path / "rows.parquet")).equals(ROWS)
    assert read_rows(tmp_path) == tmp_path


def test_a_token_takes_four_bytes(tiny_policy, preference_pairs, tmp_path):
    """Of the file that every process maps."""
    maker = reward_model.load_maker(tiny_policy, RewardModelSettings(max_tokens=32))
    write_examples(preference_pairs, maker, tmp_path)
    columns = read_examples(tmp_path).dataset.data
    assert columns.schema.field("chosen_ids").type == pa.large_list(pa.int32())


def test_pairs_are_trained_on_by_id_whatever_their_order(tiny_policy, preference_pairs, tmp_path):
    maker = reward_model.load_maker(tiny_policy, RewardModelSettings(max_tokens=32))
    for name, rows in {"a": preference_pairs, "b": preference_pairs.reverse()}.items():
        write_examples(rows, maker, tmp_path / name)
    one, other = (read_examples(tmp_path / name).dataset for name in "ab")
    assert one[:] == other[:]
