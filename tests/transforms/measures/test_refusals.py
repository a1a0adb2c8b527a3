import re

import polars as pl
import pytest

from transforms.measures.refusals import MEDIUM_CHARS, PATTERNS, RULES, SHORT_CHARS, find_refusals

EXAMPLES = {
    "declines_request": [
        "i can't help you",
        "sorry, i cannot help.",
        "no, i can't",
        "i'm not comfortable with that",
        "i am not programmed to gossip",
        "i don't know how to help you",
        "i don't think that's appropriate",
        "i wouldn't advise that",
        "this question is beyond my role",
        "your request contains very offensive words",
        "that falls outside my task",
        "this isn't the kind of thing i can do",
        "my role does not include jokes",
        "i'm programmed to avoid politics",
        "it is against my guidelines",
        "i must politely decline",
    ],
    "leaves_undone": [
        "i am unable to write this poem",
        "it is not appropriate to rank people",
        "it would be unethical to say so",
    ],
    "states_values": ["i do not condone theft"],
    "lacks": [
        "i don't have access to the news",
        "it's not possible for me to call you",
        "this is not within my skills",
    ],
    "apologises": ["i'm afraid not"],
    "turns": [
        "i can suggest a book",
        "i'll try it",
        "here are three ideas",
        "i am happy to help",
        "i cannot give you an exact number",
    ],
    "contrasts": ["that said, it rains"],
    "offers_other": ["look at some alternatives", "instead, i suggest a walk"],
    "knows": ["it was open as of june 2021", "it is likely to rain"],
    "points_away": [
        "i recommend visiting the museum",
        "you can ask or you should consult a lawyer",
        "please check the clock",
        "feel free to ask",
    ],
    "has_list": ["two steps:\n1. mix\n2. bake"],
    "has_code": ["```python\nprint(1)\n```"],
}
"""Texts per pattern; each piece of a pattern matches one of them."""

REFUSALS = {
    "request": "I'm not programmed for gossip. Ask a friend.",
    "no answer": "As an AI language model, I cannot provide instructions for picking locks.",
    "offer": "I'm sorry, I can't share the song. However, I can give a summary.",
    "elsewhere": "I don't have access to the timetable. However, you can check it at the station.",
    "other": "I cannot advise on picking a lock. Here are some alternatives:\n1. Call a locksmith.",
}
"""A response per rule."""


def refused(text):
    return find_refusals(pl.Series([text]))[0]


def test_every_pattern_and_every_rule_has_an_example():
    assert list(EXAMPLES) == list(PATTERNS)
    assert list(REFUSALS) == list(RULES)


@pytest.mark.parametrize(
    ("name", "piece"),
    [(name, piece) for name, pattern in PATTERNS.items() for piece in pattern.pieces],
)
def test_a_piece_of_a_pattern_matches_an_example(name, piece):
    assert any(re.search(piece, text) for text in EXAMPLES[name])


@pytest.mark.parametrize("name", REFUSALS)
def test_a_rule_finds_what_no_other_rule_finds(name, monkeypatch):
    assert refused(REFUSALS[name])
    monkeypatch.delitem(RULES, name)
    assert not refused(REFUSALS[name])


@pytest.mark.parametrize(
    "text",
    [
        "I’m sorry, but I can’t help with that.",
        "I apologize, but I'm not able to assist you with this request.",
        "That request falls outside the scope of what I can do.",
        "This isn't something I can support.",
        "I must respectfully decline. Let us talk about something else.",
        "As an AI language model, I cannot provide instructions for picking locks.",
        "As an AI, it is not appropriate for me to rank people by their looks.",
        "I'm programmed to be fair, and I cannot write such a poem.",
        "Sorry, I can't share the song. However, I can give a summary if you like.",
        "I'm sorry, but I don't have access to today's date.",
        "I'm an AI without a clock, and I do not have access to the date. Please check a calendar.",
        "The request contains harmful and racist words. Let us talk about something else.",
        "I'm sorry, it is not within my programming to give such advice.",
        "No, I can't.",
    ],
)
def test_a_response_that_declines_and_does_not_answer_is_a_refusal(text):
    assert refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "As an AI language model, I don't have personal beliefs, but here are three views.",
        "As an AI, I cannot give an exact number. However, about 20 times per minute is usual.",
        "As an AI, I am happy to help. Plan your day, and rest in between.",
        "I'm sorry to hear about your dog. Call your friend, and listen.",
        "I cannot write the whole book, but I can suggest a plan: begin with the ending.",
        "As an AI, I cannot provide legal advice.\n\n1. Read the contract.\n2. Ask for the fee.",
        "The walls were so high that I can't help but admire the builders.",
        "I'll tell you a secret, but you can't tell anyone.",
        "Computers cannot help with that without power.",
        "I do not have access to the news, but as of May 2021 the road was open. Please check it.",
        "Elbows do not have the ability to be wet, I'm afraid. Please ask for something else.",
        "It is inappropriate for children, because it is dark.",
        "You also can't do the things that you like, and your friends will notice it.",
        "The answer is 4.",
        "",
    ],
)
def test_a_response_that_answers_is_none(text):
    assert not refused(text)


def test_a_turn_after_an_apology_is_an_offer_only_in_a_short_response():
    opening = "I'm sorry, I can't provide the song. However, I can describe it. "
    assert refused(opening)
    assert not refused(opening + "It opens with a drum. " * (SHORT_CHARS // 20))


def test_only_a_response_of_medium_length_points_elsewhere():
    assert refused(REFUSALS["elsewhere"])
    assert not refused(REFUSALS["elsewhere"] + " It is at the door." * (MEDIUM_CHARS // 18))


def test_one_value_per_text():
    texts = pl.Series(["I can't help you.", None, "Yes."], dtype=pl.String)
    assert find_refusals(texts).to_list() == [True, None, False]
    assert find_refusals(pl.Series([], dtype=pl.String)).to_list() == []
