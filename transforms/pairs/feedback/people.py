"""Label files for people: writing a queue to a file, and reading the answers from it.

Formats: JSON lines, and Argilla's records (a JSON array), without Argilla's library. The two
responses of a pair are shown as a and b; a hash decides the order, so that neither the text nor the
reward does. Not here: writing labels to the lake (`transforms.pairs.feedback.imports`).

Source of Argilla's format: its SDK 2.8.0, `Record.to_dict` and `dataset.records.to_json`. These do
not record whether a response is a draft.
"""

import json
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import polars as pl

from transforms.identity import digest

Form = Literal["jsonl", "argilla"]

QUESTION = "preferred"
"""Key of the answer in a line; name of the label question in Argilla."""
ANSWERS = ("a", "b", "tie")


class Answer(NamedTuple):
    """One answer in a file, not yet checked."""

    place: str
    """Position in the file: `line 3` or `record 3`."""
    experiment: Any
    iteration: Any
    pair_id: Any
    person: Any
    preferred: Any


class Unreadable(NamedTuple):
    """A line or record of a file that cannot be read."""

    place: str
    why: str


def format_queue(queue: pl.DataFrame, form: Form) -> str:
    """Return pairs as the text of a label file, in the order of `place`.

    Args:
        queue: rows of `label_queue`.
        form: `jsonl`: one object per line, in which people fill in `person` and `preferred`;
            `argilla`: records with the fields prompt, response_a, response_b.
    """
    rows = queue.sort("experiment", "iteration", "place").iter_rows(named=True)
    if form == "argilla":
        return (
            json.dumps([_format_record(row) for row in rows], ensure_ascii=False, indent=1) + "\n"
        )
    lines = (
        {
            **_format_slice(row),
            "pair_id": row["pair_id"],
            **_format_responses(row),
            "person": None,
            QUESTION: None,
        }
        for row in rows
    )
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def read_answers(text: str) -> Iterator[Answer | Unreadable]:
    """Read a label file of either form, without the pairs that have no answer yet.

    A line with a person or a preference counts as an answer.
    """
    if text.lstrip().startswith("["):
        yield from _read_records(text)
        return
    lines = text.split("\n")  # splitlines would also split at U+2028 in a text
    for number, line in enumerate(lines, 1):
        found = _read_line(f"line {number}", line) if line.strip() else None
        if found is not None:
            yield found


def resolve_side(pair_id: str, answer: str) -> str:
    """Translate the answer a, b or tie to first, second or tie."""
    if answer == "tie":
        return answer
    return "first" if (answer == "a") == _a_is_first(pair_id) else "second"


def _a_is_first(pair_id: str) -> bool:
    return int(digest(f"shown/{pair_id}"), 16) % 2 == 0


def _format_responses(row: dict[str, Any]) -> dict[str, Any]:
    sides = [row["first"], row["second"]]
    a, b = sides if _a_is_first(row["pair_id"]) else reversed(sides)
    return {"prompt": row["prompt"], "response_a": a, "response_b": b}


def _format_slice(row: dict[str, Any]) -> dict[str, Any]:
    return {"experiment": row["experiment"], "iteration": row["iteration"]}


def _format_record(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["pair_id"],
        "fields": _format_responses(row),
        "metadata": _format_slice(row),
        "suggestions": {},
        "responses": {},
        "vectors": {},
        "status": "pending",
        "_server_id": None,
    }


def _read_line(place: str, line: str) -> Answer | Unreadable | None:
    """Read one line of JSON; None if nobody has answered it."""
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        return Unreadable(place, f"not JSON: {error.msg}")
    if not isinstance(row, dict):
        return Unreadable(place, "not a JSON object")
    if row.get("person") is None and row.get(QUESTION) is None:
        return None
    keys = ("experiment", "iteration", "pair_id", "person", QUESTION)
    return Answer(place, *(row.get(key) for key in keys))


def _read_records(text: str) -> Iterator[Answer | Unreadable]:
    try:
        records = json.loads(text)
    except json.JSONDecodeError as error:
        yield Unreadable(f"line {error.lineno}", f"not JSON: {error.msg}")
        return
    for number, record in enumerate(records, 1):
        place = f"record {number}"
        try:
            slice_ = record["metadata"]["experiment"], record["metadata"]["iteration"]
            pair_id = record["id"]
            for response in record["responses"].get(QUESTION) or ():
                yield Answer(place, *slice_, pair_id, response["user_id"], response["value"])
        except (TypeError, KeyError, AttributeError):
            yield Unreadable(place, "not a record with id, metadata of the export, and responses")
