"""Answers of people into `preference_labels`: every row checked, then all in one commit, or none.

Not here: how a file is read (`transforms.pairs.feedback.people`), what several answers come to
(`transforms.pairs.feedback.labels.combine_labels`).
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
"""Bad rows that an error lists."""


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    labels: pl.DataFrame
    """Rows that it added to `preference_labels`."""
    known: int
    """Answers that the lake had already."""


def import_answers(lake: Lake, answers: Iterable[Answer | Unreadable]) -> Imported:
    """Add people's answers to the lake; those that it has are left alone.

    A person labels a pair once. Different people may disagree: each has a row.

    Args:
        lake: the lake, with the queues that were exported.
        answers: of `read_answers`.

    Raises:
        InputError: rows are unreadable, of no exported pair, without a person, with an unknown
            answer, or a person's second for a pair; the first are listed, nothing is written.
    """
    answers = list(answers)
    slices = _slices(lake)
    with ExitStack() as locks:
        for experiment, iteration in sorted(slices):
            asset = iteration_asset(iteration, "preference_labels")
            locks.enter_context(lock_slice(lake, asset, experiment, wait=lambda _: None))
        labels, known = check_answers(answers, slices, _labels_of_people(lake))
        if labels.height:
            lake.append("preference_labels", labels)
    return Imported(labels, known)


def check_answers(
    answers: Iterable[Answer | Unreadable],
    queues: dict[tuple[str, int], dict[str, str]],
    before: dict[tuple[str, int, str, str], str],
) -> tuple[pl.DataFrame, int]:
    """Check answers row by row.

    Args:
        answers: of `read_answers`.
        queues: by experiment and iteration, the queue's pairs: pair_id -> prompt_id.
        before: the labels of people so far: experiment, iteration, pair_id, person -> answer.

    Returns:
        New rows of `preference_labels`, and the number of answers that were there before.

    Raises:
        InputError: as `import_answers`.
    """
    rows: list[dict[str, Any]] = []
    faults: list[str] = []
    seen: dict[tuple[str, int, str, str], str] = {}
    known, now = 0, datetime.now(UTC)
    for answer in answers:
        fault = _fault(answer, queues, before, seen)
        if fault:
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


def _fault(
    answer: Answer | Unreadable,
    queues: dict[tuple[str, int], dict[str, str]],
    before: dict[tuple[str, int, str, str], str],
    seen: dict[tuple[str, int, str, str], str],
) -> str | None:
    """Say what is wrong with an answer; None where nothing is."""
    if isinstance(answer, Unreadable):
        return answer.why
    slice_ = (answer.experiment, answer.iteration)
    if not isinstance(answer.pair_id, str) or answer.pair_id not in _queue(queues, slice_):
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


def _queue(
    queues: dict[tuple[str, int], dict[str, str]], slice_: tuple[Any, Any]
) -> dict[str, str]:
    """Look a slice's queue up; what is no slice (anyone may have written the file) has none."""
    named = isinstance(slice_[0], str) and isinstance(slice_[1], int)
    return queues.get(slice_, {}) if named else {}


def _slices(lake: Lake) -> dict[tuple[str, int], dict[str, str]]:
    queues: dict[tuple[str, int], dict[str, str]] = {}
    columns = ("experiment", "iteration", "pair_id", "prompt_id")
    rows = lake.scan("label_queue").select(columns).collect()
    for experiment, iteration, pair_id, prompt_id in rows.iter_rows():
        queues.setdefault((experiment, iteration), {})[pair_id] = prompt_id
    return queues


def _labels_of_people(lake: Lake) -> dict[tuple[str, int, str, str], str]:
    if not lake.exists("preference_labels"):
        return {}
    labels = lake.read("preference_labels", oracle=PEOPLE)
    keys = labels.select("experiment", "iteration", "pair_id", "oracle_id")
    return dict(zip(keys.iter_rows(), labels["answer"], strict=True))
