"""Rows of a training, read from a small lake in frames."""

import polars as pl
import pytest

from transforms.lake import batched_reads
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import MESSAGES
from transforms.prompts.rows_by_split import (
    list_training_pairs,
    read_demonstrations,
    read_pairs,
    read_reward_validation_pairs,
    read_training_pairs,
)

TRAINED = [("a", "p3", 1), ("a", "p1", 2), ("b", "p1", 1), ("b", "p2", 3)]
"""Source, pair_id and copies; both sources have p1."""


def messages(texts):
    return pl.Series([[{"role": "user", "content": text}] for text in texts], dtype=MESSAGES)


@pytest.fixture
def lake(tmp_path):
    pairs = [(source, pair_id, "train") for source, pair_id, _ in TRAINED]
    pairs += [("a", "p4", "train"), ("b", "p6", "reward_validation"), ("b", "p5", "train")]
    sources, ids, splits = zip(*pairs, strict=True)
    texts = messages([f"{source} {pair_id}" for source, pair_id, _ in pairs])
    columns = {"pair_id": ids, "source": sources, "row_key": ids, "prompt_id": ids}
    scores = dict.fromkeys(("chosen_score", "rejected_score", "margin"), None)
    frame = pl.DataFrame(
        {**columns, "prompt": texts, "chosen": texts, "rejected": texts, "split": splits, **scores},
        schema_overrides=schema_of("preference_pairs"),
    )
    lake = Lake(tmp_path)
    lake.overwrite("preference_pairs", frame)
    mixed = [("m", *one) for one in TRAINED] + [("other", "a", "p4", 1)]
    lake.overwrite("mixture_pairs", pl.DataFrame(mixed, schema_of("mixture_pairs"), orient="row"))
    return lake


def texts_of(rows):
    return [prompt[0]["content"] for prompt in rows["prompt"].to_list()]


def test_training_pairs_are_read_once_per_copy_in_the_order_of_the_table(lake, monkeypatch):
    whole = pl.concat(read_training_pairs(lake, "m"))
    assert texts_of(whole) == ["a p3", "a p1", "a p1", "b p1", "b p2", "b p2", "b p2"]
    monkeypatch.setattr(batched_reads, "MIN_BATCH_ROWS", 1)
    monkeypatch.setattr(batched_reads, "BATCH_BYTES", 1)
    frames = list(read_training_pairs(lake, "m"))
    assert len(frames) == 7
    assert pl.concat(frames).equals(whole)


def test_listed_pairs_are_sorted_by_id_and_read_in_their_order(lake):
    keys = list_training_pairs(lake, "m")
    assert keys.rows() == [
        ("a", "p1"), ("a", "p1"), ("b", "p1"), ("b", "p2"), ("b", "p2"), ("b", "p2"), ("a", "p3"),
    ]  # fmt: skip
    assert texts_of(read_pairs(lake, keys)) == [" ".join(key) for key in keys.rows()]
    assert texts_of(read_pairs(lake, keys.reverse().head(2))) == ["a p3", "b p2"]


def test_validation_pairs_are_those_of_their_split(lake):
    assert read_reward_validation_pairs(lake)["pair_id"].to_list() == ["p6"]


def test_demonstrations_are_read_in_frames(tmp_path):
    rows = pl.DataFrame({"source": "s", "row_key": ["1", "2"], "prompt_id": ["x", "y"]})
    rows = rows.with_columns(messages(["one", "two"]).alias("messages"))
    lake = Lake(tmp_path)
    lake.overwrite("demonstrations", rows)
    read = pl.concat(read_demonstrations(lake))
    assert read.equals(rows.select("row_key", "messages"))
