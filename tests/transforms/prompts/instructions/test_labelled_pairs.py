"""Pairs labelled by the instructions that are composed onto their prompts."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from transforms.identity import digest
from transforms.lake.schemas import schema_of
from transforms.prompts.instructions.compose import compose_instructions
from transforms.prompts.instructions.labelled_pairs import label_pairs
from transforms.prompts.instructions.registry import measure_followed_share, read_reference


def pair(question, chosen, rejected):
    return {
        "source": "s",
        "row_key": question,
        "prompt": [{"role": "user", "content": question}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }


def frame(*rows):
    schema = {name: kind for name, kind in schema_of("preference_pairs").items() if name != "split"}
    return pl.DataFrame(rows, schema=schema)


def read_text(turns):
    return turns[-1]["content"]


def follow(question):
    """A response that follows the one instruction of a prompt."""
    (reference,) = compose_instructions(frame(pair(question, "", "")), 1)["reference"]
    (instruction,) = read_reference(reference)
    return instruction.kind.example(**instruction.values)


def test_the_response_that_follows_the_instruction_is_chosen_whatever_the_source_says():
    rows = frame(pair("one", follow("one"), ""), pair("two", "", follow("two")))
    kept, dropped = label_pairs(rows, 1)
    assert [read_text(turns) for turns in kept["chosen"]] == [follow("one"), follow("two")]
    assert [read_text(turns) for turns in kept["rejected"]] == ["", ""]
    assert kept.select("chosen_score", "rejected_score", "margin").unique().rows() == [(1, 0, 1)]
    assert dropped.is_empty()
    assert kept["pair_id"].n_unique() == kept["prompt_id"].n_unique() == 2
    # the prompt is the one that the loop has
    assert kept["prompt"].to_list() == compose_instructions(rows, 1)["prompt"].to_list()


def test_without_instructions_pairs_stay_as_they_are():
    rows = frame(pair("one", "a", "b"))
    kept, dropped = label_pairs(rows, None)
    assert kept.equals(rows)
    assert dropped.is_empty()


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=8), st.integers(1, 5))
def test_no_pair_is_lost_and_chosen_follows_more(texts, most):
    rows = frame(*(pair(digest(f"{n}{q}"), *sides) for n, (q, *sides) in enumerate(texts)))
    kept, dropped = label_pairs(rows, most)
    assert kept.height + dropped.height == rows.height
    assert set(dropped["reason"]) <= {"instructions_tie"}
    references = compose_instructions(rows, most).select("row_key", "reference")
    for chosen, rejected, reference in (
        kept.join(references, on="row_key").select("chosen", "rejected", "reference").iter_rows()
    ):
        shares = [measure_followed_share(read_text(side), reference) for side in (chosen, rejected)]
        assert shares[0] > shares[1]
