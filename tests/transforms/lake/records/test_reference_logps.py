"""Ids of sequences, and the sequences that are known, on literal frames."""

import polars as pl
import pytest

from transforms.lake.lake import Lake
from transforms.lake.records.reference_logps import (
    ReferenceLogps,
    add_sequence_ids,
    gather_tokens,
    join_logps,
    list_sequences,
    sort_by_length,
)

PAIRS = pl.DataFrame(
    {
        "prompt_ids": [[1, 2], [1, 2], [1]],
        "chosen_ids": [[3], [3], [2, 3]],
        "rejected_ids": [[4, 5], [45], [4, 5]],
        "length": [4, 3, 3],
    }
)


def append(store, computed):
    with store.append_chunks() as write:
        write(computed)


@pytest.fixture
def named():
    return add_sequence_ids(PAIRS)


def test_name_is_of_the_tokens_and_of_where_the_completion_begins(named):
    chosen, rejected = named["chosen_sequence_id"], named["rejected_sequence_id"]
    assert chosen[0] == chosen[1]  # the same tokens in another row
    assert chosen[0] != chosen[2]  # the same tokens, split elsewhere
    assert rejected[0] != rejected[1]  # 4, 5 is not 45
    assert len({*chosen, *rejected}) == 5


def test_sequences_are_listed_once(named):
    wanted = list_sequences(named, 4)
    places = [(0, "chosen"), (2, "chosen"), (0, "rejected"), (1, "rejected"), (2, "rejected")]
    assert wanted.select("row", "side").rows() == places
    tokens = gather_tokens(named, wanted)
    assert tokens["sequence_id"].equals(wanted["sequence_id"])
    assert tokens["prompt_ids"].to_list() == [[1, 2], [1], [1, 2], [1, 2], [1]]
    assert tokens["completion_ids"].to_list() == [[3], [2, 3], [4, 5], [45], [4, 5]]
    assert gather_tokens(named, wanted.tail(2))["completion_ids"].to_list() == [[45], [4, 5]]


def test_tokens_come_in_the_order_of_the_sequences(named):
    wanted = list_sequences(named, 4).reverse()
    tokens = gather_tokens(named, wanted)
    assert tokens["sequence_id"].equals(wanted["sequence_id"])
    assert tokens["completion_ids"].to_list() == [[4, 5], [45], [4, 5], [2, 3], [3]]


def test_rows_are_sorted_by_their_longest_sequence_and_stay_together(named):
    by_length = sort_by_length(named, list_sequences(named, 4))
    places = [(0, "chosen"), (0, "rejected"), (1, "rejected"), (2, "chosen"), (2, "rejected")]
    assert by_length.select("row", "side").rows() == places


def test_sequences_of_pairs_that_do_not_fit_are_not_listed(named):
    assert list_sequences(named, 3).select("row", "side").rows() == [
        (1, "chosen"), (2, "chosen"), (1, "rejected"), (2, "rejected"),
    ]  # fmt: skip


def test_logps_are_joined_in_the_order_of_the_pairs(named):
    wanted = list_sequences(named, 4)
    logps = wanted.select("sequence_id", logp=-pl.int_range(pl.len()).cast(pl.Float64))
    joined = join_logps(named, logps.reverse().head(4))
    assert joined["ref_chosen_logps"].to_list() == [None, None, -1]
    assert joined["ref_rejected_logps"].to_list() == [-2, -3, -4]


def test_rows_of_one_reference_and_type_are_known(named, tmp_path):
    lake, wanted = Lake(tmp_path), list_sequences(named, 4)
    store = ReferenceLogps(lake, "initial", "float32")
    assert store.read_known(wanted).is_empty()
    computed = wanted.head(2).select(
        "sequence_id", pl.lit(1, pl.Int32).alias("completion_tokens"), pl.lit(-1.5).alias("logp")
    )
    append(store, computed)
    assert store.read_known(wanted).sort("sequence_id").equals(computed.sort("sequence_id"))
    assert store.read_known(wanted.tail(3)).is_empty()
    for other in (("other", "float32"), ("initial", "bfloat16")):
        assert ReferenceLogps(lake, *other).read_known(wanted).is_empty()
    again = computed.with_columns(logp=pl.lit(-1.25))  # by a run at the same time
    append(ReferenceLogps(lake, "initial", "float32"), again)
    assert store.read_known(wanted)["logp"].to_list() == [-1.5, -1.5]
