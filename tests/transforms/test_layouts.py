import polars as pl
import pytest

from transforms.errors import InputError
from transforms.layouts import to_demonstrations, to_pairs, to_prompts
from transforms.schemas import MESSAGES


def turns(*contents):
    roles = ("user", "assistant") * len(contents)
    return [{"role": r, "content": c} for r, c in zip(roles, contents, strict=False)]


def transcripts(*chosen):
    rejected = ["\n\nHuman: q\n\nAssistant: no"] * len(chosen)
    keys = [str(n) for n in range(len(chosen))]
    return pl.DataFrame(
        {"row_key": keys, "chosen": chosen, "rejected": rejected},
        schema_overrides={"chosen": pl.String},
    )


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("\n\nHuman: hi \n\nAssistant:  yes\n", turns("hi", "yes")),
        ("\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d", turns("a", "b", "c", "d")),
        ("\n\nHuman: a\n\nb: c\n\nAssistant: d", turns("a\n\nb: c", "d")),
        ("\n\nHuman: a\n\nAssistant:", turns("a", "")),
        ("\n\nHuman: \x1e\n\nAssistant: $1", turns("\x1e", "$1")),
        ("lead\n\nHuman: a", [{"role": "system", "content": "lead"}, *turns("a")]),
        ("", []),
        (None, None),
    ],
)
def test_transcripts_become_messages(text, messages):
    raw = transcripts(text, "\n\nHuman: q\n\nAssistant: yes")
    pairs = to_pairs(raw, "hh_transcripts")
    assert pairs["chosen_messages"].to_list() == [messages, turns("q", "yes")]
    assert pairs["rejected_messages"].to_list() == [turns("q", "no")] * 2
    assert pairs["chosen_score"].to_list() == [None, None]
    assert pairs.schema["chosen_messages"] == MESSAGES


def test_pairs_serve_as_demonstrations_and_prompts():
    raw = transcripts("\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d")
    demonstrations = to_demonstrations(raw, "hh_transcripts")
    assert demonstrations["messages"].to_list() == [turns("a", "b", "c", "d")]
    assert to_prompts(raw, "hh_transcripts")["prompt"].to_list() == [turns("a", "b", "c")]
    pairs = to_pairs(raw, "hh_transcripts").select(
        "row_key", chosen="chosen_messages", rejected="rejected_messages"
    )
    assert to_demonstrations(pairs, "standard_pairs").equals(demonstrations)


def test_extra_fields_and_field_order_of_messages_do_not_matter():
    raw = pl.DataFrame({"row_key": ["1"], "messages": [[{"content": "q", "n": 1, "role": "user"}]]})
    assert to_demonstrations(raw, "messages").schema["messages"] == MESSAGES
    prompts = to_prompts(raw.rename({"messages": "context_messages"}), "context_messages")
    assert prompts["prompt"].to_list() == [turns("q")]


@pytest.mark.parametrize(
    ("scores", "read"),
    [
        ([1, 2], [1.0, 2.0]),
        (["1", "0.5"], [1.0, 0.5]),
        ([None, None], [None, None]),
        (["N/A", None], ["nan", None]),
    ],
)
def test_scores_of_any_native_type(scores, read):
    raw = pl.DataFrame(
        {"row_key": ["1", "2"], "chosen": [turns("q", "a")] * 2, "rejected": [turns("q", "b")] * 2}
    )
    pairs = to_pairs(raw.with_columns(chosen_score=pl.Series(scores)), "standard_pairs")
    found = ["nan" if score != score else score for score in pairs["chosen_score"]]
    assert found == read
    assert pairs["rejected_score"].to_list() == [None, None]


@pytest.mark.parametrize("layout", ["standard_pairs", "hh_transcripts"])
def test_a_missing_or_mistyped_column_is_named(layout):
    with pytest.raises(InputError, match=r"source column chosen .*\n.*\n  found: .*text: String"):
        to_pairs(pl.DataFrame({"row_key": ["1"], "text": ["x"]}), layout)
    with pytest.raises(InputError, match="source column chosen"):
        to_pairs(pl.DataFrame({"row_key": ["1"], "chosen": ["x"], "rejected": ["y"]}), layout)


def test_a_layout_that_cannot_give_the_role_is_refused():
    raw = pl.DataFrame({"row_key": ["1"]})
    for read, layout in [
        (to_pairs, "messages"),
        (to_prompts, "messages"),
        (to_demonstrations, "context_messages"),
    ]:
        with pytest.raises(InputError, match=f"layout {layout} gives no"):
            read(raw, layout)


def test_no_rows_give_no_rows():
    assert to_pairs(transcripts("x").clear(), "hh_transcripts").height == 0
