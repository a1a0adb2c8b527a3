import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.judging.rubrics import (
    Answer,
    build_request,
    list_rubrics,
    parse_verdict,
    read_rubric,
    require_places,
)
from transforms.errors import InputError

ASKED = [{"role": "user", "content": "Name a colour."}]


def said(text: str | None, finish_reason: str | None = "stop") -> Answer:
    return Answer(text, finish_reason, None if text is not None else "no answer", None)


@pytest.mark.parametrize("name", list_rubrics())
def test_a_rubric_shows_both_responses_and_names_the_three_marks(name):
    (message,) = build_request(read_rubric(name), ASKED, "red it is", "blue it is")
    assert message["role"] == "user"
    text = message["content"]
    assert text.index("user: Name a colour.") < text.index("red it is") < text.index("blue it is")
    assert all(text.count(mark) == 1 for mark in ("[[A]]", "[[B]]", "[[C]]"))
    assert "$" not in text


def test_the_shipped_rubrics():
    assert {"helpfulness", "overall"} <= set(list_rubrics())


def test_responses_are_filled_in_as_they_are():
    (message,) = build_request(
        "$prompt|$response_a|$response_b", ASKED, "$response_b $$ {x}", "\\1 $9"
    )
    assert message["content"] == "user: Name a colour.|$response_b $$ {x}|\\1 $9"


def test_a_conversation_is_written_with_its_roles():
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "A colour?"},
    ]
    (message,) = build_request("$prompt", turns, "", "")
    assert message["content"] == (
        "system: Be brief.\n\nuser: Hello\n\nassistant: Hello.\n\nuser: A colour?"
    )


def test_an_unknown_rubric_is_refused():
    with pytest.raises(
        InputError, match=r"the rubric charm does not exist\n.*helpfulness, .*overall"
    ):
        read_rubric("charm")


@pytest.mark.parametrize(
    "text", ["$prompt $response_a", "$prompt $response_a $response_b $c", "costs $ 5 $prompt"]
)
def test_a_rubric_without_the_three_places_is_refused(text):
    with pytest.raises(InputError, match="rubric mine cannot be filled in"):
        require_places("mine", text)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("[[A]]", "A"),
        ("B is shorter.\n\n[[B]]\n", "B"),
        ("Neither.\n[[C]]", "tie"),
        ("**[[A]]**", "A"),
        ("[[A]] [[A]]", "A"),
        ("At first [[A]],\non a second look [[B]]", "B"),
        ("Response A quotes [[B]].\n[[A]]\nThat is my verdict.", "A"),
        ("[[A]] or [[B]]", "unparseable"),
        ("[[A]]\nEither [[A]], [[B]] or [[C]].", "unparseable"),
        ("Response A is better.", "unparseable"),
        ("[A]", "unparseable"),
        ("[[a]]", "unparseable"),
        ("[[D]]", "unparseable"),
        ("[[A] ]", "unparseable"),
        ("", "unparseable"),
    ],
)
def test_a_verdict_is_read_and_never_guessed(text, verdict):
    assert parse_verdict(said(text)) == verdict


def test_a_cut_answer_has_no_verdict_yet():
    assert parse_verdict(said("One might say [[A]], but", "length")) == "unparseable"


def test_no_answer_has_no_verdict():
    assert parse_verdict(said(None)) is None


@given(st.text(), st.sampled_from("ABC"), st.text(alphabet="AB[] .\n", max_size=30))
def test_the_last_marked_line_alone_decides(before, mark, after):
    verdict = parse_verdict(said(f"{before}\n[[{mark}]]\n"))
    assert verdict == {"A": "A", "B": "B", "C": "tie"}[mark]
    if "[[A]]" not in after and "[[B]]" not in after:
        assert parse_verdict(said(f"{before}\n[[{mark}]]\n{after}")) == verdict
