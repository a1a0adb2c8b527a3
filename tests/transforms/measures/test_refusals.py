import polars as pl
import pytest

from transforms.measures.refusals import SHORT_CHARS, find_refusals


def refused(text):
    return find_refusals(pl.Series([text]))[0]


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


def test_one_value_per_text():
    texts = pl.Series(["I can't help you.", None, "Yes."], dtype=pl.String)
    assert find_refusals(texts).to_list() == [True, None, False]
    assert find_refusals(pl.Series([], dtype=pl.String)).to_list() == []
