"""Composed prompts: instructions by the hash of the prompt, in the prompt and in its reference."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.lake.schemas.table import MESSAGES
from transforms.prompts.instructions.compose import compose_instructions, select_instructions
from transforms.prompts.instructions.registry import read_reference, write_reference


def prompts(*conversations):
    return pl.DataFrame({"prompt": list(conversations)}, schema={"prompt": MESSAGES})


def user(text):
    return {"role": "user", "content": text}


def test_the_sentences_follow_the_last_turn_and_the_reference_has_the_instructions():
    before = [user("Hello"), {"role": "assistant", "content": "Hi"}, user("Why?")]
    found = compose_instructions(prompts(before), 3).row(0, named=True)
    assert found["prompt"][:2] == before[:2]
    sentences = " ".join(one.sentence for one in read_reference(found["reference"]))
    assert found["prompt"][-1] == user(f"Why?\n\n{sentences}")


def test_the_hash_of_the_prompt_decides_in_every_order_of_rows():
    rows = [[user(f"question {number}")] for number in range(40)]
    forward = compose_instructions(prompts(*rows), 2)
    backward = compose_instructions(prompts(*reversed(rows)), 2)
    assert forward.rows() == backward.rows()[::-1]
    assert forward["reference"].n_unique() > 20


def test_prompts_that_no_turn_of_the_user_ends_stay_as_they_are():
    rows = [None, [], [user("a"), {"role": "assistant", "content": "b"}], [user(None)]]
    found = compose_instructions(prompts(*rows), 2)
    assert found["prompt"].to_list() == rows
    assert found["reference"].to_list() == [None] * 4


@given(st.text(), st.integers(1, 5))
def test_instructions_are_as_many_as_allowed_exclude_none_and_have_an_example(identity, most):
    chosen = select_instructions(identity, most)
    assert 1 <= len(chosen) <= most
    for number, one in enumerate(chosen):
        assert one.is_followed(one.kind.example(**one.values))
        assert not any(one.kind.excludes(other.kind) for other in chosen[number + 1 :])
    assert read_reference(write_reference(chosen)) == chosen


@pytest.mark.parametrize(
    "reference",
    ["", "42", "[]", '[{"kind": "rhyme"}]', '[{"kind": "keyword", "word": "a"}]',
     '[{"kind": "words_at_most", "words": "40"}]', '[{"kind": "title", "words": 3}]', "[3]"],
)  # fmt: skip
def test_another_reference_is_refused(reference):
    with pytest.raises(ValueError, match=r"."):
        read_reference(reference)


def test_a_reference_may_have_a_value_of_its_own():
    (one,) = read_reference(json.dumps([{"kind": "words_at_most", "words": 7}]))
    assert one.is_followed("seven words are in this short sentence")
    assert not one.is_followed("eight words are in this rather short sentence")
