from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.layouts import to_pairs
from transforms.preferences import (
    collect_prompts,
    count_reasons,
    split_demonstrations,
    split_pairs,
)
from transforms.reading import read_source
from transforms.schemas import MESSAGES, SCHEMAS, enforce
from transforms.settings import SourceSettings

HH = Path(__file__).parents[3] / "shared/data/hh-rlhf/helpful-base_test.jsonl.gz"
PAIRS = {
    "row_key": pl.String,
    "chosen_messages": MESSAGES,
    "rejected_messages": MESSAGES,
    "chosen_score": pl.Float64,
    "rejected_score": pl.Float64,
}


def turn(letter, content="x"):
    return {"role": {"u": "user", "a": "assistant", "s": "system"}[letter], "content": content}


def talk(*contents, roles="uaua"):
    return [turn(role, content) for role, content in zip(roles, contents, strict=False)]


def pairs(*rows):
    keyed = [(str(number), *row) for number, row in enumerate(rows)]
    return pl.DataFrame(keyed, schema=PAIRS, orient="row")


@pytest.mark.parametrize(
    ("chosen", "rejected", "scores", "reason"),
    [
        (None, talk("q", "a"), (None, None), "missing_value"),
        (talk("q", "a"), talk("q", "b"), (1.0, None), "missing_value"),
        (talk("q", "a"), talk("q", "b"), (float("nan"), float("nan")), "missing_value"),
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
    kept, dropped = split_pairs("s", pairs(row, row))
    assert list(kept.schema.items()) == [
        item for item in SCHEMAS["preference_pairs"].items() if item[0] != "split"
    ]
    pair = kept.row(0, named=True)
    assert pair["prompt"] == talk("q", "a", "r")
    assert (pair["chosen"], pair["rejected"]) == ([turn("a", "b")], [turn("a", "c")])
    assert pair["margin"] == 2.0
    assert dropped.select("row_key", "reason", "evidence").rows() == [
        ("1", "duplicate_pair", "first at 0")
    ]
    assert count_reasons(dropped).rows() == [("s", "duplicate_pair", 1)]


conversations = st.lists(
    st.builds(turn, st.sampled_from("uuaas"), st.sampled_from(["", "a", "b", "c"])), max_size=4
) | st.sampled_from([talk("q", "a"), talk("q", "b"), None])
scores = st.sampled_from([None, 1.0, 2.0, float("inf")])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(conversations, conversations, scores, scores), max_size=6))
def test_kept_plus_dropped_is_raw(rows):
    raw = pairs(*rows)
    kept, dropped = split_pairs("s", raw)
    enforce("dropped_rows", dropped)
    keys = [*kept["row_key"], *dropped["row_key"]]
    assert sorted(keys) == sorted(raw["row_key"])
    assert kept["pair_id"].is_unique().all()
    again, none = split_pairs(
        "s",
        kept.select(
            "row_key",
            "chosen_score",
            "rejected_score",
            chosen_messages=pl.concat_list("prompt", "chosen"),
            rejected_messages=pl.concat_list("prompt", "rejected"),
        ),
    )
    assert none.is_empty()
    assert again.equals(kept)


def test_demonstrations_end_with_the_assistant():
    rows = [
        talk("q", "a"),
        talk("s", "q", "a", roles="sua"),
        talk("q"),
        talk("q", " "),
        talk("q", "a", roles="uu"),
        None,
    ]
    frame = pl.DataFrame(
        {"row_key": [str(n) for n in range(6)], "messages": rows},
        schema_overrides={"messages": MESSAGES},
    )
    kept, dropped = split_demonstrations("s", frame)
    enforce("demonstrations", kept)
    assert kept["row_key"].to_list() == ["0", "1"]
    assert kept["prompt_id"].n_unique() == 2
    assert dropped["reason"].to_list() == [
        "role_order",
        "empty_turn",
        "role_order",
        "missing_value",
    ]


def test_a_prompt_belongs_to_the_first_source_and_is_kept_once():
    def frame(*prompts):
        keys = [str(number) for number in range(len(prompts))]
        return pl.DataFrame(
            {"row_key": keys, "prompt": prompts}, schema_overrides={"prompt": MESSAGES}
        )

    kept, dropped = collect_prompts(
        {"b": frame(talk("q"), talk("é!")), "a": frame(talk("q"), talk("q", "a"))}
    )
    enforce("prompts", kept)
    assert kept.select("source", "prompt_chars").rows() == [("a", 1), ("b", 2)]
    assert dropped.select("source", "reason").rows() == [
        ("a", "role_order"),
        ("b", "duplicate_prompt"),
    ]


@pytest.mark.skipif(not HH.exists(), reason="the data pack is not here")
def test_counts_on_helpful_base():
    source = SourceSettings(role="preferences", layout="hh_transcripts", files=(str(HH),))
    kept, dropped = split_pairs("hh", to_pairs(read_source(source), "hh_transcripts"))
    assert kept.height == 2333
    assert dict(count_reasons(dropped).select("reason", "rows").rows()) == {
        "turn_mismatch": 9,
        "odd_turns": 6,
        "empty_turn": 4,
        "identical_response": 2,
    }
