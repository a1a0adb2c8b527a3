import polars as pl

from transforms.lake.enforcement import enforce_schema
from transforms.lake.schemas.table import MESSAGES
from transforms.settings.source_options import SourceOptions
from transforms.sources.intake.demonstrations import split_demonstrations


def talk(roles, *contents):
    names = {"u": "user", "a": "assistant", "s": "system"}
    return [{"role": names[r], "content": c} for r, c in zip(roles, contents, strict=True)]


def rows(*conversations, verdict=None):
    frame = {"row_key": [str(n) for n in range(len(conversations))], "messages": conversations}
    return pl.DataFrame(frame, schema_overrides={"messages": MESSAGES}).with_columns(
        verdict=pl.lit(verdict, dtype=pl.String)
    )


def test_demonstrations_end_with_the_assistant():
    frame = rows(
        talk("ua", "q", "a"),
        talk("sua", "s", "q", "a"),
        talk("u", "q"),
        talk("ua", "q", " "),
        talk("uu", "q", "a"),
        None,
    )
    kept, dropped = split_demonstrations("s", frame)
    enforce_schema("demonstrations", kept)
    enforce_schema("dropped_rows", dropped)
    assert kept["row_key"].to_list() == ["0", "1"]
    assert kept["prompt_id"].n_unique() == 2
    assert dropped["reason"].to_list() == [
        "role_order",
        "empty_turn",
        "role_order",
        "missing_value",
    ]


def test_a_system_turn_stays_unless_the_source_says_otherwise():
    frame = rows(talk("sua", "s", "q", "a"))
    kept, _ = split_demonstrations("s", frame)
    assert kept["messages"].to_list() == [talk("sua", "s", "q", "a")]
    kept, _ = split_demonstrations("s", frame, SourceOptions(system_turn="fold"))
    assert kept["messages"].to_list() == [talk("ua", "s\n\nq", "a")]


def test_a_verdict_is_a_reason():
    _, dropped = split_demonstrations("s", rows(talk("ua", "q", "a"), verdict="undesirable"))
    assert dropped["reason"].to_list() == ["undesirable"]
