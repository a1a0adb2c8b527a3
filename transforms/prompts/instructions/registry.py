"""The registry of instruction kinds, and the instructions of a reference: read and checked."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from transforms.prompts.instructions.kind import InstructionKind, Value
from transforms.prompts.instructions.layout_kinds import LAYOUT_KINDS
from transforms.prompts.instructions.wording_kinds import WORDING_KINDS

KINDS: Mapping[str, InstructionKind] = {kind.name: kind for kind in (*LAYOUT_KINDS, *WORDING_KINDS)}
"""Every kind, by name."""


class Instruction(NamedTuple):
    """One instruction of a prompt."""

    kind: InstructionKind
    values: Mapping[str, Value]
    """Values of the kind's parameters."""

    @property
    def sentence(self) -> str:
        """What the prompt says."""
        return self.kind.write_sentence(self.values)

    def is_followed(self, response: str) -> bool:
        """Check whether a response follows it. An empty response follows nothing."""
        return bool(response.strip()) and self.kind.check(response, **self.values)


def write_reference(instructions: Sequence[Instruction]) -> str:
    """Write instructions as JSON: a list of objects with `kind` and the values of parameters."""
    return json.dumps([{"kind": one.kind.name, **one.values} for one in instructions])


def read_reference(reference: str) -> list[Instruction]:
    """Read the instructions of a reference.

    Raises:
        ValueError: it is no JSON list of at least one instruction, a kind is not known, or a
            parameter is missing, unknown or of another type.
    """
    rows = json.loads(reference)
    if not isinstance(rows, list) or not rows:
        raise ValueError("no list of instructions")
    return [_read_instruction(row) for row in rows]


def measure_followed_share(response: str, reference: str) -> float:
    """Return the share of a prompt's instructions that a response follows.

    Raises:
        ValueError: as in `read_reference`.
    """
    instructions = read_reference(reference)
    return sum(one.is_followed(response) for one in instructions) / len(instructions)


def _read_instruction(row: Any) -> Instruction:
    if not isinstance(row, dict) or row.get("kind") not in KINDS:
        raise ValueError(f"{json.dumps(row)} has none of the kinds {', '.join(KINDS)}")
    kind = KINDS[row["kind"]]
    values = {key: value for key, value in row.items() if key != "kind"}
    types = {key: type(drawn[0]) for key, drawn in kind.parameters.items()}
    if {key: type(value) for key, value in values.items()} != types:
        wanted = ", ".join(f"{key}: {one.__name__}" for key, one in types.items()) or "none"
        raise ValueError(f"{json.dumps(row)} must have the parameters {wanted}")
    return Instruction(kind, values)
