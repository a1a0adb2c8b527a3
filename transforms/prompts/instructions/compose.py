"""Composition of verifiable instructions onto prompts, decided by a hash of the prompt.

The same prompt gets the same instructions on every machine and in every order of rows. Not here:
the kinds (`transforms.prompts.instructions.registry`).
"""

from collections.abc import Mapping, Sequence

import polars as pl

from transforms.identity import digest, identify_messages
from transforms.lake.schemas.table import MESSAGES
from transforms.prompts.instructions.kind import InstructionKind
from transforms.prompts.instructions.registry import KINDS, Instruction, write_reference


def compose_instructions(prompts: pl.DataFrame, most: int) -> pl.DataFrame:
    """Append instructions to the last turn of every prompt.

    Args:
        prompts: prompt (messages) and other columns.
        most: maximum number of instructions per prompt; the minimum is 1.

    Returns:
        The rows in order, with the longer prompt, and `reference`: the instructions as JSON. A
        prompt whose last turn is no text of the user stays as it is, with a null reference.
    """
    identities = prompts.select(identify_messages("prompt"))["prompt"]
    composed = [
        _compose(messages, identity, most)
        for messages, identity in zip(prompts["prompt"].to_list(), identities, strict=True)
    ]
    return prompts.with_columns(
        prompt=pl.Series([messages for messages, _ in composed], dtype=MESSAGES),
        reference=pl.Series([reference for _, reference in composed], dtype=pl.String),
    )


def select_instructions(identity: str, most: int) -> list[Instruction]:
    """Select 1 to `most` instructions that do not exclude each other, by a hash of the identity.

    The kinds are tried in the order of their hashes.
    """
    wanted = 1 + _hash(identity, "count") % most
    chosen: list[InstructionKind] = []
    for kind in sorted(KINDS.values(), key=lambda kind: digest(f"{identity}/{kind.name}")):
        if len(chosen) < wanted and not any(kind.excludes(other) for other in chosen):
            chosen.append(kind)
    return [Instruction(kind, _choose_values(identity, kind)) for kind in chosen]


def _compose(
    messages: Sequence[Mapping[str, str | None]] | None, identity: str | None, most: int
) -> tuple[Sequence[Mapping[str, str | None]] | None, str | None]:
    last = messages[-1] if messages else {}
    if not messages or identity is None or last["role"] != "user" or last["content"] is None:
        return messages, None
    instructions = select_instructions(identity, most)
    sentences = " ".join(one.sentence for one in instructions)
    turn = {"role": "user", "content": f"{last['content']}\n\n{sentences}"}
    return [*messages[:-1], turn], write_reference(instructions)


def _choose_values(identity: str, kind: InstructionKind) -> dict[str, int | str]:
    """Choose the values of an instruction's parameters by hashes of the identity."""
    return {
        name: values[_hash(identity, kind.name, name) % len(values)]
        for name, values in kind.parameters.items()
    }


def _hash(identity: str, *names: str) -> int:
    return int(digest("/".join([identity, *names])), 16)
