from itertools import combinations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.settings.source_options import SourceOptions
from transforms.sources.intake.preferences import split_pairs
from transforms.sources.layouts.conversations import make_turn
from transforms.sources.layouts.response_sets import (
    pair_by_labels,
    pair_chosen_with_rejected,
    pair_ranked_responses,
)

PROMPT, A, B = make_turn("user", pl.col("q")), pl.col("a"), pl.col("b")
TEXTS = pl.List(pl.String)


def rows(*lists, **columns):
    schema = {"row_key": pl.String, "q": pl.String, "a": TEXTS, "b": TEXTS}
    found = {
        "row_key": [f"f:{n}" for n in range(1, len(lists) + 1)],
        "q": [f"q{n}" for n in range(len(lists))],
        "a": lists,
        "b": [None] * len(lists),
        **columns,
    }
    return pl.DataFrame(found, schema=schema | {k: None for k in columns if k not in schema})


def split(layout, raw, options=None):
    candidates = layout(raw, options or SourceOptions())
    kept, dropped = split_pairs("s", candidates, options)
    assert sorted([*kept["row_key"], *dropped["row_key"]]) == sorted(candidates["row_key"])
    last = {s: pl.col(s).list.first().struct.field("content") for s in ("chosen", "rejected")}
    pairs = {key: texts for key, *texts in kept.select("row_key", **last).rows()}
    return pairs, dict(dropped.select("row_key", "reason").rows()), kept


def test_a_ranking_gives_every_pair_and_no_score():
    raw = rows(["x", "y", "z"], ["x"], [], None, ["x", None], ["x", "x"], ["x"] * 101)
    pairs, reasons, kept = split(pair_ranked_responses(PROMPT, A), raw)
    assert pairs == {"f:1#0,1": ["x", "y"], "f:1#0,2": ["x", "z"], "f:1#1,2": ["y", "z"]}
    assert kept["margin"].to_list() == [None] * 3
    assert reasons == {
        "f:2": "no_comparison",
        "f:3": "no_comparison",
        "f:4": "no_comparison",
        "f:5#0,1": "missing_value",
        "f:6#0,1": "identical_response",
        "f:7": "too_many_responses",
    }


def test_a_label_a_pair_turns_it_drops_it_or_is_none():
    labels = [[1, 2, 0], [1, None, 7], [1], None, []]
    raw = rows(["x", "y", "z"], ["x", "y", "z"], ["x", "y", "z"], ["x", "y"], ["x"], labels=labels)
    layout = pair_by_labels(PROMPT, A, pl.col("labels"))
    pairs, reasons, _ = split(layout, raw)
    assert pairs == {"f:1#0,1": ["x", "y"], "f:1#2,0": ["z", "x"], "f:2#0,1": ["x", "y"]}
    assert reasons == {
        "f:1#1,2": "tie",
        "f:2#0,2": "no_label",
        "f:2#1,2": "no_label",
        "f:3": "label_count",
        "f:4": "label_count",
        "f:5": "no_comparison",
    }
    pairs, _, _ = split(layout, raw, SourceOptions(drop_ties=False))
    assert pairs["f:1#1,2"] == ["y", "z"]


@pytest.mark.parametrize(
    ("crossed", "found", "uneven"),
    [
        (False, {"f:1#0,0": ["x", "u"], "f:1#1,1": ["y", "v"]}, {"f:2": "response_count"}),
        (
            True,
            {
                "f:1#0,0": ["x", "u"],
                "f:1#0,1": ["x", "v"],
                "f:1#1,0": ["y", "u"],
                "f:1#1,1": ["y", "v"],
                "f:2#0,0": ["x", "u"],
            },
            {"f:2#1,0": "identical_response"},
        ),
    ],
)
def test_preferred_and_rejected_lists(crossed, found, uneven):
    raw = rows(["x", "y"], ["x", "u"], ["x"], b=[["u", "v"], ["u"], []])
    pairs, reasons, _ = split(pair_chosen_with_rejected(PROMPT, A, B, lambda _: crossed), raw)
    assert pairs == found
    assert reasons == {**uneven, "f:3": "no_comparison"}


def test_no_rows_give_no_candidates():
    for layout in (
        pair_ranked_responses(PROMPT, A),
        pair_by_labels(PROMPT, A, pl.lit(None, pl.List(pl.Int64))),
        pair_chosen_with_rejected(PROMPT, A, B, lambda _: True),
    ):
        assert layout(rows(), SourceOptions()).height == 0


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.none()
        | st.lists(st.none() | st.sampled_from(["x", "y", "z", " "]), max_size=5).flatmap(
            lambda texts: st.tuples(
                st.just(texts),
                st.lists(
                    st.sampled_from([0, 1, 2, None]),
                    min_size=len(list(combinations(texts, 2))),
                    max_size=len(list(combinations(texts, 2))),
                ),
            )
        ),
        max_size=5,
    )
)
def test_every_row_is_found_again_with_all_its_pairs(given_rows):
    texts = [row and row[0] for row in given_rows]
    labels = pl.Series([row and row[1] for row in given_rows], dtype=pl.List(pl.Int64))
    raw = rows(*texts).with_columns(labels=labels)
    for layout in (pair_ranked_responses(PROMPT, A), pair_by_labels(PROMPT, A, pl.col("labels"))):
        pairs, reasons, _ = split(layout, raw)
        keys = [*pairs, *reasons]
        assert len(keys) == sum(max(1, len(list(combinations(row or (), 2)))) for row in texts)
        assert {key.split("#")[0] for key in keys} == set(raw["row_key"])
