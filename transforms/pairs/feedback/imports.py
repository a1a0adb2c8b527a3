"""Import of people's answers to `preference_labels`: all rows in one commit, or none.

Not here: reading a label file (`transforms.pairs.feedback.people`), combining several answers to a
pair (`transforms.pairs.feedback.labels.combine_labels`).
"""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from transforms.errors import InputError
from transforms.lake.asset_names import iteration_asset
from transforms.lake.lake import Lake
from transforms.lake.locks import lock_slice
from transforms.lake.schemas import schema_of
from transforms.pairs.feedback.labels import PEOPLE
from transforms.pairs.feedback.people import ANSWERS, Answer, Unreadable, resolve_side

SHOWN_FAULTS = 10
"""Highest number of bad rows in an error message."""


@dataclass(frozen=True)
class Imported:
    """The result of an import."""

    labels: pl.DataFrame
    """New rows of `preference_labels`."""
    known: int
    """Number of answers that were in the lake before."""


def import_answers(lake: Lake, answers: Iterable[Answer | Unreadable]) -> Imported:
    """Add people's answers to the lake; answers that it already has are skipped.

    A person labels a pair once. Different people may disagree: each has a row.

    Args:
        lake: the lake, with the queues that were exported.
        answers: from `read_answers`.

    Raises:
        InputError: a row is unreadable, or has no exported pair, no person, an unknown answer, or a
            second answer of a person to a pair. The error lists the first such rows, and nothing is
            written. Or the file has no answer at all.
    """
    answers = list(answers)
    if not answers:
        raise InputError(
            "the file has no answer",
            expected="pairs in which a person filled in `person` and `preferred`",
            found="none, or only pairs without both",
            remedy="fill in the file that `prefloop label export` wrote, then import it",
        )
    queues = _read_queues(lake)
    with ExitStack() as locks:
        for experiment, iteration in sorted(queues):
            asset = iteration_asset(iteration, "preference_labels")
            locks.enter_context(lock_slice(lake, asset, experiment, wait=lambda _: None))
        labels, known = check_answers(answers, queues, _read_labels_of_people(lake))
        if labels.height:
            lake.append("preference_labels", labels)
    return Imported(labels, known)


def check_answers(
    answers: Iterable[Answer | Unreadable],
    queues: dict[tuple[str, int], dict[str, str]],
    before: dict[tuple[str, int, str, str], str],
) -> tuple[pl.DataFrame, int]:
    """Check every answer, and return those that are new.

    Args:
        answers: from `read_answers`.
        queues: pairs of the queues (pair_id -> prompt_id), by experiment and iteration.
        before: labels of people so far: (experiment, iteration, pair_id, person) -> answer.

    Returns:
        New rows of `preference_labels`, and the number of answers that are in `before`.

    Raises:
        InputError: as `import_answers`.
    """
    rows: list[dict[str, Any]] = []
    faults: list[str] = []
    seen: dict[tuple[str, int, str, str], str] = {}
    known, now = 0, datetime.now(UTC)
    for answer in answers:
        if isinstance(answer, Unreadable):
            faults.append(f"{answer.place}: {answer.why}")
            continue
        if fault := _find_fault(answer, queues, before, seen):
            faults.append(f"{answer.place}: {fault}")
            continue
        slice_ = (answer.experiment, answer.iteration)
        person = answer.person.strip()
        key = (*slice_, answer.pair_id, person)
        seen[key] = answer.place
        if key in before:
            known += 1
            continue
        rows.append(
            {
                "experiment": answer.experiment,
                "iteration": answer.iteration,
                "pair_id": answer.pair_id,
                "prompt_id": queues[slice_][answer.pair_id],
                "oracle": PEOPLE,
                "oracle_id": person,
                "preferred": resolve_side(answer.pair_id, answer.preferred),
                "answer": answer.preferred,
                "created_at": now,
            }
        )
    if faults:
        more = f"; and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
        raise InputError(
            "the labels are refused, nothing is written",
            expected="for each pair that `prefloop label export` wrote, one answer per person: "
            f"{', '.join(ANSWERS)}",
            found="; ".join(faults[:SHOWN_FAULTS]) + more,
            remedy="correct these rows and import the file again",
        )
    return pl.DataFrame(rows, schema=schema_of("preference_labels")), known


def _find_fault(
    answer: Answer,
    queues: dict[tuple[str, int], dict[str, str]],
    before: dict[tuple[str, int, str, str], str],
    seen: dict[tuple[str, int, str, str], str],
) -> str | None:
    """Return the fault of an answer, or None."""
    slice_ = (answer.experiment, answer.iteration)
    if not isinstance(answer.pair_id, str) or answer.pair_id not in _find_queue(queues, slice_):
        return f"unknown pair {answer.pair_id!r} of {answer.experiment!r}/{answer.iteration!r}"
    if not isinstance(answer.person, str) or not answer.person.strip():
        return f"no person, but {answer.person!r}"
    if answer.preferred not in ANSWERS:
        return f"unknown answer {answer.preferred!r}"
    key = (*slice_, answer.pair_id, answer.person.strip())
    if key in seen:
        return f"{key[-1]!r} has labelled this pair in {seen[key]}"
    if before.get(key, answer.preferred) != answer.preferred:
        return f"{key[-1]!r} has labelled this pair before, as {before[key]!r}"
    return None


def _find_queue(
    queues: dict[tuple[str, int], dict[str, str]], slice_: tuple[Any, Any]
) -> dict[str, str]:
    """Return the queue of (experiment, iteration); empty if a file has no valid values."""
    is_slice = isinstance(slice_[0], str) and isinstance(slice_[1], int)
    return queues.get(slice_, {}) if is_slice else {}


def _read_queues(lake: Lake) -> dict[tuple[str, int], dict[str, str]]:
    queues: dict[tuple[str, int], dict[str, str]] = {}
    columns = ("experiment", "iteration", "pair_id", "prompt_id")
    rows = lake.scan("label_queue").select(columns).collect()
    for experiment, iteration, pair_id, prompt_id in rows.iter_rows():
        queues.setdefault((experiment, iteration), {})[pair_id] = prompt_id
    return queues


def _read_labels_of_people(lake: Lake) -> dict[tuple[str, int, str, str], str]:
    labels = lake.read_or_empty("preference_labels", oracle=PEOPLE)
    keys = labels.select("experiment", "iteration", "pair_id", "oracle_id")
    return dict(zip(keys.iter_rows(), labels["answer"], strict=True))
