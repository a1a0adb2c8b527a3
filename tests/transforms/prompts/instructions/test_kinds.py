"""Every kind of instruction: responses that follow it and responses that do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.prompts.instructions.registry import KINDS, Instruction
from transforms.prompts.instructions.wording_kinds import (
    FIRST_PHRASES,
    FORBIDDEN_WORDS,
    LAST_PHRASES,
    REQUIRED_WORDS,
    count_word,
)

CASES = {
    "words_at_most": ({"words": 3}, ["one two three", "one"], ["one two three four"]),
    "words_at_least": ({"words": 3}, ["one two three"], ["one two"]),
    "bullet_list": (
        {"items": 2},
        ["Two:\n- a\n- b", "* a\n  * b\n"],
        ["- a", "- a\n- b\n- c", "a - b\nc - d", "-a\n-b"],
    ),
    "numbered_list": (
        {"items": 2},
        ["1. a\n2. b", "Two:\n1) a\n2) b\nDone."],
        ["1. a", "1. a\n2. b\n3. c", "2. a\n1. b", "1. a\n1. b", "- a\n- b"],
    ),
    "paragraphs": (
        {"paragraphs": 2},
        ["a\nb\n\nc", "\na\n \n\n\nc\n"],
        ["a\nc", "a\n\nb\n\nc"],
    ),
    "json_object": (
        {"keys": "answer, reason"},
        ['{"answer": 1, "reason": [2]}', '```json\n{"answer": 1, "reason": "x", "more": 2}\n```'],
        ['{"answer": 1}', '["answer", "reason"]', 'So: {"answer": 1, "reason": 2}', "[" * 100_000],
    ),
    "title": ({}, ["<<A title>>\nText"], ["<A title>", "<< >>", "<<a\nb>>", "Text"]),
    "placeholders": ({"placeholders": 2}, ["[name] at [place]", "[a][b][c]"], ["[name]", "[]"]),
    "keyword": (
        {"word": "time", "times": 2},
        ["Time is time.", "time, time, TIME"],
        ["time", "times and timely"],
    ),
    "forbidden_word": ({"word": "very"}, ["Every day"], ["Very well", "not very."]),
    "lower_case": ({}, ["all low, 1."], ["One capital"]),
    "upper_case": ({}, ["ALL HIGH, 1."], ["ALL BUT ONe"]),
    "begin_phrase": ({"phrase": "In short:"}, [" in short: yes"], ["Yes, in short: no"]),
    "end_phrase": ({"phrase": "That is all."}, ["Yes. That is all.\n"], ["That is all. Yes."]),
    "question_mark": ({}, ["Yes? ", "是？"], ["Yes? No."]),
    "quotation_marks": ({}, ['"All of it."', "“All.”"], ['"Some" of it', "All", '"', '""']),
    "no_commas": ({}, ["a; b"], ["a, b", "a，b"]),
}


def test_every_kind_has_cases():
    assert list(CASES) == list(KINDS)
    assert len(KINDS) >= 12


@pytest.mark.parametrize("name", CASES)
def test_responses_that_follow_it_and_that_do_not(name):
    values, following, breaking = CASES[name]
    instruction = Instruction(KINDS[name], values)
    assert [text for text in following if not instruction.is_followed(text)] == []
    assert [text for text in [*breaking, "", " \n"] if instruction.is_followed(text)] == []


@given(st.sampled_from([*KINDS.values()]), st.data())
def test_an_instructions_own_example_follows_it(kind, data):
    values = {name: data.draw(st.sampled_from(drawn)) for name, drawn in kind.parameters.items()}
    instruction = Instruction(kind, values)
    assert instruction.is_followed(kind.example(**values))
    assert all(str(value) in instruction.sentence for value in values.values())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("words_at_most", "words_at_least"),
        ("bullet_list", "numbered_list"),
        ("lower_case", "upper_case"),
        ("begin_phrase", "quotation_marks"),
        ("end_phrase", "question_mark"),
        ("end_phrase", "quotation_marks"),
        *(("json_object", other) for other in ("paragraphs", "no_commas", "upper_case")),
        *(("json_object", other) for other in ("begin_phrase", "end_phrase", "placeholders")),
    ],
)
def test_kinds_that_no_response_can_follow_together_exclude_each_other(one, other):
    assert KINDS[one].excludes(KINDS[other])
    assert KINDS[other].excludes(KINDS[one])


def test_other_kinds_go_together():
    assert not KINDS["keyword"].excludes(KINDS["forbidden_word"])
    assert not KINDS["words_at_most"].excludes(KINDS["bullet_list"])
    for text in (*REQUIRED_WORDS, *FIRST_PHRASES, *LAST_PHRASES):
        assert not any(count_word(text, word) for word in FORBIDDEN_WORDS)
        assert "," not in text
