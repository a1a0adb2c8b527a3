import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.lake.enforcement import enforce_schema
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import MESSAGES
from transforms.settings.source_options import SourceOptions
from transforms.sources.intake.duplicates import FirstSeen
from transforms.sources.intake.preferences import limit_pairs, split_pairs
from transforms.sources.layouts.rules import Rule

PAIRS = {
    "row_key": pl.String,
    "chosen_messages": MESSAGES,
    "rejected_messages": MESSAGES,
    "chosen_score": pl.Float64,
    "rejected_score": pl.Float64,
    "verdict": pl.String,
}


def turn(letter, content="x"):
    return {"role": {"u": "user", "a": "assistant", "s": "system"}[letter], "content": content}


def talk(*contents, roles="uaua"):
    return [turn(role, content) for role, content in zip(roles, contents, strict=False)]


def pairs(*rows):
    keyed = [(str(number), *row, None) for number, row in enumerate(rows)]
    return pl.DataFrame(keyed, schema=PAIRS, orient="row")


@pytest.mark.parametrize(
    ("chosen", "rejected", "scores", "reason"),
    [
        (None, talk("q", "a"), (None, None), "missing_value"),
        (talk("q", "a"), talk("q", "b"), (1.0, None), "missing_score"),
        (talk("q", "a"), talk("q", "b"), (float("nan"), float("nan")), "missing_score"),
        (talk("q", "a"), talk("q"), (None, None), "turn_mismatch"),
        (
            talk("s", "q", "a", roles="sua"),
            talk("s", "q", "b", roles="sua"),
            (None, None),
            "odd_turns",
        ),
        ([], [], (None, None), "role_order"),
        (talk("q", "a", roles="uu"), talk("q", "b"), (None, None), "role_order"),
        (talk("q", "a"), talk("q", "b", roles="us"), (None, None), "role_order"),
        (talk(" ", "a"), talk(" ", "b"), (None, None), "empty_turn"),
        (talk("q", "a"), talk("q", None), (None, None), "empty_turn"),
        (talk("q", "a"), talk("p", "b"), (None, None), "prefix_mismatch"),
        (talk("q", "a"), talk("q", "a"), (None, None), "identical_response"),
        (talk("q", "a"), talk("q", "b"), (2.0, 2.0), "tie"),
        (talk("q", "a"), talk("q", "b"), (1.0, 2.0), "label_conflict"),
    ],
)
def test_the_first_broken_rule_is_the_reason(chosen, rejected, scores, reason):
    kept, dropped = split_pairs("s", pairs((chosen, rejected, *scores)))
    assert kept.is_empty()
    assert dropped.select("table", "source", "row_key", "reason").rows() == [
        ("preference_pairs", "s", "0", reason)
    ]
    assert dropped["evidence"].null_count() == 0


def test_a_sound_pair_is_cut_into_prompt_and_last_turns():
    row = (talk("q", "a", "r", "b"), talk("q", "a", "r", "c"), 3.0, 1.0)
    kept, dropped = split_pairs("s", pairs(row))
    assert dropped.is_empty()
    assert list(kept.schema.items()) == [
        item for item in schema_of("preference_pairs").items() if item[0] != "split"
    ]
    pair = kept.row(0, named=True)
    assert pair["prompt"] == talk("q", "a", "r")
    assert (pair["chosen"], pair["rejected"]) == ([turn("a", "b")], [turn("a", "c")])
    assert pair["margin"] == 2.0


def test_a_pair_that_came_by_before_is_dropped_within_a_batch_and_across_batches():
    row, other = [(talk("q", "a"), talk("q", x), None, None) for x in "bc"]
    seen = FirstSeen("preference_pairs", "pair")
    first, repeated = seen.split(split_pairs("s", pairs(row, row, other))[0])
    assert first["row_key"].to_list() == ["0", "2"]
    assert repeated.select("row_key", "reason", "evidence").rows() == [
        ("1", "duplicate_pair", "first at 0")
    ]
    later = split_pairs("s", pairs(other).with_columns(row_key=pl.lit("9")))[0]
    none, repeated = seen.split(later)
    assert none.is_empty()
    assert repeated["evidence"].to_list() == ["first at 2"]


@pytest.mark.parametrize(
    ("options", "reasons"),
    [
        ({}, ["tie", "label_conflict"]),
        ({"drop_ties": False}, ["label_conflict"]),
        ({"min_margin": 1.5}, ["tie", "label_conflict", "small_margin"]),
    ],
)
def test_ties_conflicts_and_margins_follow_the_options(options, reasons):
    scores = [(2.0, 2.0), (1.0, 2.0), (2.0, 1.0), (5.0, 1.0), (None, None)]
    rows = [(talk("q", "a"), talk("q", f"b{n}"), *score) for n, score in enumerate(scores)]
    _, dropped = split_pairs("s", pairs(*rows), SourceOptions(**options))
    assert dropped["reason"].to_list() == reasons


@pytest.mark.parametrize(("fate", "prompt"), [("fold", "s\n\nq"), ("remove", "q")])
def test_a_system_turn_is_folded_or_removed_where_the_source_says_so(fate, prompt):
    row = (talk("s", "q", "a", roles="sua"), talk("s", "q", "b", roles="sua"), None, None)
    kept, _ = split_pairs("s", pairs(row), SourceOptions(system_turn=fate))
    assert kept["prompt"].to_list() == [[turn("u", prompt)]]


def test_a_verdict_and_a_rule_of_the_source_are_reasons():
    rows = [(talk("q", "a"), talk("q", x), None, None) for x in "bcd"]
    candidates = pairs(*rows).with_columns(
        verdict=pl.Series([None, "tie", None]), votes=pl.Series([1, 9, 9])
    )
    rule = Rule("votes", pl.col("votes") < 5, pl.format("{} votes", "votes"))
    kept, dropped = split_pairs("s", candidates, rules=[rule])
    assert kept["row_key"].to_list() == ["2"]
    assert dropped.select("row_key", "reason", "evidence").rows() == [
        ("0", "votes", "1 votes"),
        ("1", "tie", "its label is a tie"),
    ]


def test_a_limit_draws_pairs_of_a_prompt_by_hash_and_seed():
    rows = [(talk("q", "a"), talk("q", f"b{n}"), None, None) for n in range(9)]
    rows.append((talk("r", "a"), talk("r", "b"), None, None))
    sound, _ = split_pairs("s", pairs(*rows))
    drawn = {}
    for seed in (0, 1):
        options = SourceOptions(max_pairs_per_prompt=2, seed=seed)
        kept, dropped = limit_pairs(sound, options)
        again, _ = limit_pairs(sound.reverse(), options)
        assert sorted(kept["row_key"]) == sorted(again["row_key"])
        assert kept.height == 3
        assert set(dropped["reason"]) == {"prompt_limit"}
        assert kept.height + dropped.height == 10
        drawn[seed] = sorted(kept["row_key"])
    assert drawn[0] != drawn[1]


conversations = st.lists(
    st.builds(turn, st.sampled_from("uuaas"), st.sampled_from(["", "a", "b", "c"])), max_size=4
) | st.sampled_from([talk("q", "a"), talk("q", "b"), None])
scores = st.sampled_from([None, 1.0, 2.0, float("inf")])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(conversations, conversations, scores, scores), max_size=6))
def test_kept_plus_dropped_is_raw(rows):
    raw = pairs(*rows)
    kept, dropped = split_pairs("s", raw)
    enforce_schema("dropped_rows", dropped)
    keys = [*kept["row_key"], *dropped["row_key"]]
    assert sorted(keys) == sorted(raw["row_key"])
    again, none = split_pairs(
        "s",
        kept.select(
            "row_key",
            "chosen_score",
            "rejected_score",
            verdict=pl.lit(None, dtype=pl.String),
            chosen_messages=pl.concat_list("prompt", "chosen"),
            rejected_messages=pl.concat_list("prompt", "rejected"),
        ),
    )
    assert none.is_empty()
    assert again.equals(kept)
