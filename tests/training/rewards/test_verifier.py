"""Every verifier: its rewards, and references that it refuses."""

import json
import shutil
from typing import get_args

import polars as pl
import pytest

from training.rewards.programs import extract_program
from training.rewards.verifier import VERIFIERS, make_scorer, require_references
from training.settings.rewards.reward import RewardSettings
from transforms.errors import InputError

INSTRUCTIONS = json.dumps([{"kind": "no_commas"}, {"kind": "words_at_most", "words": 2}])


def responses(*rows):
    """Rows of (response, reference)."""
    return pl.DataFrame(
        [("p", number, *row) for number, row in enumerate(rows)],
        schema={"prompt_id": pl.String, "response_index": pl.Int32,
                "response": pl.String, "reference": pl.String},
        orient="row",
    )  # fmt: skip


def test_the_names_of_a_recipe_are_those_of_the_registry():
    names, _ = get_args(RewardSettings.model_fields["verifier"].annotation)
    assert get_args(names) == tuple(VERIFIERS)


@pytest.mark.parametrize(
    ("name", "rows", "rewards"),
    [
        ("exact_match", [("a ", "a"), ("A", "a"), ("", "a")], [1, 0, 0]),
        ("number", [("so $1,200", "1200"), ("1201", "1200"), ("", "1200")], [1, 0, 0]),
        (
            "instructions",
            [("two words", INSTRUCTIONS), ("three words, now", INSTRUCTIONS), ("a,b", INSTRUCTIONS),
             ("", INSTRUCTIONS)],
            [1, 0, 0.5, 0],
        ),
    ],
)  # fmt: skip
def test_rewards_of_responses(name, rows, rewards):
    assert make_scorer(name)(responses(*rows)) == rewards


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_a_program_passes_if_its_tests_do(monkeypatch):
    # its probes take seconds, and the sandbox has tests of its own
    monkeypatch.setattr("training.rewards.programs.require_isolation", lambda limits: None)
    tests = "assert add(1, 2) == 3\nassert add(-1, 1) == 0"
    found = make_scorer("program")(
        responses(
            ("Here:\n```python\ndef add(a, b):\n    return a + b\n```\nDone.", tests),
            ("def add(a, b):\n    return a - b", tests),
            ("I cannot", tests),
        )
    )
    assert found == [1, 0, 0]


def test_the_last_block_of_code_is_the_program():
    assert extract_program("```\nx = 1\n```\nbetter:\n```py\nx = 2\n```") == "x = 2\n"
    assert extract_program("```python\nx = 1\n") == "x = 1\n"
    assert extract_program("x = 1") == "x = 1"


@pytest.mark.parametrize(
    ("name", "reference", "fault"),
    [
        ("exact_match", None, "null"),
        ("number", "none", "no number in 'none'"),
        ("program", "assert (", "'\\(' was never closed"),
        ("program", "1 + 1", "use no name"),
        ("instructions", "[]", "no list of instructions"),
        ("instructions", '[{"kind": "rhyme"}]', "none of the kinds"),
    ],
)
def test_a_reference_that_cannot_be_used_is_refused_with_its_row(name, reference, fault):
    rows = responses(
        ("a", "assert add(1, 1) == 2" if name == "program" else None), ("b", reference)
    )
    with pytest.raises(InputError, match=fault):
        require_references(name, rows[1:], ["prompt p"])
    with pytest.raises(InputError, match="reference of prompt p, response 1"):
        make_scorer(name)(rows[1:])
