"""Rows that an earlier batch already gave."""

import polars as pl

from transforms.sources.intake.duplicates import FirstSeen


def rows(source, *pairs):
    frame = pl.DataFrame(pairs, schema=["pair_id", "row_key"], orient="row")
    return frame.with_columns(source=pl.lit(source))


def test_the_first_row_stays_and_later_ones_name_it():
    seen = FirstSeen("preference_pairs", "pair")
    first, dropped = seen.split(rows("a", ("x", "1"), ("y", "2"), ("x", "3")))
    assert first["row_key"].to_list() == ["1", "2"]
    assert dropped.select("row_key", "reason", "evidence").rows() == [
        ("3", "duplicate_pair", "first at 1")
    ]
    first, dropped = seen.split(rows("a", ("z", "4"), ("y", "5")))
    assert first["row_key"].to_list() == ["4"]
    assert dropped["evidence"].to_list() == ["first at 2"]
    assert first.columns == ["pair_id", "row_key", "source"]


def test_two_sources_may_have_one_key():
    seen = FirstSeen("prompts", "pair")
    seen.split(rows("a", ("x", "train.jsonl:1")))
    first, dropped = seen.split(rows("b", ("x", "train.jsonl:1")))
    assert first.is_empty()
    assert dropped["source"].to_list() == ["b"]
