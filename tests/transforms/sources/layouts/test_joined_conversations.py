import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.lake.schemas.table import MESSAGES
from transforms.sources.layouts.conversations import (
    drop_open_turn,
    join_conversations,
    make_turn,
    prepend_system,
)

turns = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant", None]),
        "content": st.none() | st.text(max_size=3),
    }
)
conversations = st.none() | st.lists(st.none() | turns, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(conversations, conversations), max_size=6))
def test_joining_is_concatenation(rows):
    frame = pl.DataFrame(rows, schema={"a": MESSAGES, "b": MESSAGES}, orient="row")
    found = frame.select(
        x=join_conversations(pl.col("a"), pl.col("b")),
        y=join_conversations(pl.col("b"), pl.col("a")),
    )
    wanted = frame.select(x=pl.concat_list("a", "b"), y=pl.concat_list("b", "a"))
    assert found.equals(wanted)
    assert found.schema == wanted.schema


def test_a_system_turn_leads_where_it_says_something():
    frame = pl.DataFrame({"s": ["be kind", " ", None], "q": ["q", "q", "q"]})
    led = frame.select(x=prepend_system(pl.col("s"), make_turn("user", pl.col("q"))))["x"].to_list()
    assert [[message["role"] for message in messages] for messages in led] == [
        ["system", "user"],
        ["user"],
        ["user"],
    ]


def test_only_an_open_assistant_turn_is_dropped():
    def talk(*pairs):
        return [{"role": role, "content": content} for role, content in pairs]

    q, a = ("user", "q"), ("assistant", "a")
    rows = [
        talk(q, ("assistant", " ")),
        talk(q, a),
        talk(("user", "")),
        talk(q, ("assistant", None)),
        [],
        None,
    ]
    frame = pl.DataFrame({"m": rows}, schema={"m": MESSAGES})
    found = frame.select(drop_open_turn(pl.col("m")).alias("m"))["m"].to_list()
    assert found == [talk(q), *rows[1:]]
