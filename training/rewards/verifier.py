"""Verifiers: programs that compare a response with the reference of its prompt. The registry.

Not here: answers (`training.rewards.answers`), programs (`training.rewards.programs`), kinds of
instructions (`transforms.prompts.instructions`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from training.models.unscorable import describe_response
from training.rewards.answers import match_number, match_text, read_last_number
from training.rewards.programs import require_tests, score_programs
from training.rewards.score_rows import Scorer
from transforms.errors import InputError
from transforms.prompts.instructions.registry import measure_followed_share, read_reference

Scores = Callable[[Sequence[str], Sequence[str]], list[float]]
"""Rewards from 0 to 1 of responses, given the references of their prompts."""


@dataclass(frozen=True)
class Verifier:
    """One verifier."""

    score: Scores
    require: Callable[[str], object]
    """Raises a ValueError if a reference cannot be used."""
    expected: str
    """What a reference is, for messages."""


def _score_each(match: Callable[[str, str], float]) -> Scores:
    def score(responses: Sequence[str], references: Sequence[str]) -> list[float]:
        return [match(*both) for both in zip(responses, references, strict=True)]

    return score


def _require_number(reference: str) -> None:
    if read_last_number(reference) is None:
        raise ValueError(f"no number in {reference[:80]!r}")


VERIFIERS: Mapping[str, Verifier] = {
    "exact_match": Verifier(_score_each(match_text), str, "a text"),
    "number": Verifier(_score_each(match_number), _require_number, "a text with a number"),
    "program": Verifier(score_programs, require_tests, "unit tests in Python"),
    "instructions": Verifier(
        _score_each(measure_followed_share), read_reference, "a JSON list of instructions"
    ),
}
"""Every verifier by its name in a recipe."""


def make_scorer(name: str) -> Scorer:
    """Return a verifier as a scorer, which raises an InputError for a row without a reference."""
    verifier = VERIFIERS[name]

    def score(rows: pl.DataFrame) -> list[float]:
        require_references(name, rows, [describe_response(rows, r) for r in range(rows.height)])
        return verifier.score(rows["response"].to_list(), rows["reference"].to_list())

    return score


def require_references(name: str, rows: pl.DataFrame, labels: Sequence[str]) -> None:
    """Refuse rows whose reference a verifier cannot use.

    Args:
        name: name of the verifier.
        rows: the column reference.
        labels: name of each row, for the message.

    Raises:
        InputError: the message gives the number of such rows and the first one.
    """
    verifier = VERIFIERS[name]
    faults = [
        (label, fault)
        for label, reference in zip(labels, rows["reference"], strict=True)
        if (fault := _explain(verifier, reference)) is not None
    ]
    if faults:
        label, fault = faults[0]
        raise InputError(
            f"the verifier {name} cannot use the reference of {label}; such references:"
            f" {len(faults)} of {rows.height}",
            expected=verifier.expected,
            found=fault,
            remedy="correct the references of the source, or leave these rows out of it",
        )


def _explain(verifier: Verifier, reference: str | None) -> str | None:
    """Return why a reference cannot be used; None if it can."""
    if reference is None:
        return "null"
    try:
        verifier.require(reference)
    except (ValueError, SyntaxError, RecursionError) as error:
        return str(error)
    return None
