"""Native text and turns to message lists."""

import polars as pl
import pytest

from transforms.lake.schemas.table import MESSAGES
from transforms.sources.layouts.conversations import (
    drop_last_turn,
    join_instruction,
    make_turn,
    prepend_system,
    read_sharegpt,
    rename_turns,
    split_transcript,
    treat_system_turn,
)

MARKERS = ("\n\nHuman:", "\n\nAssistant:")


def turns(*contents, roles=("user", "assistant")):
    return [
        {"role": r, "content": c} for r, c in zip(roles * len(contents), contents, strict=False)
    ]


def system(content, *rest):
    return [{"role": "system", "content": content}, *rest]


def read(expression, **columns):
    return pl.DataFrame(columns).select(expression).to_series().to_list()


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("\n\nHuman: hi \n\nAssistant:  yes\n", turns("hi", "yes")),
        ("\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d", turns(*"abcd")),
        ("\n\nHuman: a\n\nb: c\n\nAssistant: d", turns("a\n\nb: c", "d")),
        ("\n\nHuman: a\n\nAssistant:", turns("a", "")),
        ("\n\nHuman: \x1e\x02\n\nAssistant: $1", turns("\x1e\x02", "$1")),
        ("\n\nHuman: a\u2028b\n\nAssistant: é", turns("a\u2028b", "é")),
        ("lead\n\nHuman: a", system("lead", *turns("a"))),
        ("no marker", system("no marker")),
        ("", []),
        ("\n\nHuman: \ufdd0", None),
        (None, None),
    ],
)
def test_transcripts_become_messages(text, messages):
    frame = pl.DataFrame({"t": [text, "\n\nHuman: q"]}, schema={"t": pl.String})
    found = frame.select(split_transcript("t", *MARKERS)).to_series()
    assert found.to_list() == [messages, turns("q")]
    assert found.dtype == MESSAGES


def test_turns_with_other_names_and_further_fields():
    native = [[{"content": "q", "n": 1, "role": "user"}]]
    assert read(rename_turns("m"), m=native) == [turns("q")]
    spoken = [[{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]]
    assert read(read_sharegpt("m"), m=spoken) == [turns("q", "a")]
    assert read(read_sharegpt("m"), m=[[{"from": "drunk", "value": "q"}]]) == [
        [{"role": "drunk", "content": "q"}]
    ]


def test_a_system_text_goes_before_where_there_is_one():
    found = read(
        prepend_system(pl.col("s"), make_turn("user", pl.col("q"))),
        s=["s", " ", None],
        q=list("abc"),
    )
    assert found == [system("s", *turns("a")), turns("b"), turns("c")]


def test_an_input_follows_its_instruction():
    found = read(join_instruction(pl.col("q"), pl.col("i")), q=["a", "b", "c"], i=["x", "", None])
    assert found == ["a\n\nx", "b", "c"]


@pytest.mark.parametrize(
    ("fate", "messages"),
    [
        ("drop", system("s", *turns("q", "a"))),
        ("fold", turns("s\n\nq", "a")),
        ("remove", turns("q", "a")),
    ],
)
def test_the_fate_of_a_system_turn(fate, messages):
    frame = pl.DataFrame(
        {"m": [system("s", *turns("q", "a")), turns("q"), [], None]}, schema={"m": MESSAGES}
    )
    found = frame.select(treat_system_turn(pl.col("m"), fate)).to_series()
    assert found.to_list() == [messages, turns("q"), [], None]
    assert found.dtype == MESSAGES


@pytest.mark.parametrize("text", ["", " \n", "\u200b", None])
def test_folding_a_blank_system_turn_adds_nothing(text):
    frame = pl.DataFrame({"m": [system(text, *turns("q", "a"))]}, schema={"m": MESSAGES})
    found = frame.select(treat_system_turn(pl.col("m"), "fold")).item().to_list()
    assert found == turns("q", "a")


def test_a_system_turn_that_no_user_turn_follows_is_not_folded():
    frame = pl.DataFrame({"m": [system("s")]}, schema={"m": MESSAGES})
    assert frame.select(treat_system_turn(pl.col("m"), "fold")).item().to_list() == system("s")


def test_all_but_the_last_turn():
    frame = pl.DataFrame({"m": [turns(*"abc"), turns("a"), [], None]}, schema={"m": MESSAGES})
    found = frame.select(drop_last_turn(pl.col("m"))).to_series().to_list()
    assert found == [turns(*"ab"), [], [], None]
