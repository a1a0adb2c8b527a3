"""The packed row: all rows of a batch as one row, in which shared first tokens stand once.

A group of rows, such as a prompt with each of its responses, is `[shared | own 1 | own 2 | ...]`.
Positions restart after the shared tokens. Not here: attention
(`training.models.one_pass.attention`).
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence


class Group(NamedTuple):
    """Rows that begin with the same tokens."""

    shared: int
    """Tokens that all rows of the group begin with; may be 0."""
    own: tuple[int, ...]
    """Further tokens of each row, at least 1."""


@dataclass(frozen=True)
class PackedRows:
    """Rows as one packed row."""

    token_ids: torch.Tensor
    """[1, packed tokens]"""
    position_ids: torch.Tensor
    """Position of each packed token in its own row, [1, packed tokens]."""
    groups: tuple[Group, ...]
    """Groups in the order of the packed row."""
    places: torch.Tensor
    """Place in the packed row of each token of each row, [rows, longest row]; 0 for padding. The
    rows are in the order of the groups."""

    def split(self, states: torch.Tensor, dim: int) -> list[torch.Tensor]:
        """Split packed states into whole rows, each with the shared tokens.

        Args:
            states: a tensor whose dimension `dim` has the packed tokens.
            dim: the dimension.
        """
        sizes = [size for group in self.groups for size in (group.shared, *group.own)]
        parts: Iterator[torch.Tensor] = iter(states.split(sizes, dim))
        rows = []
        for group in self.groups:
            shared = next(parts)
            rows += [torch.cat([shared, next(parts)], dim) for _ in group.own]
        return rows

    def count_tokens(self) -> list[int]:
        """Count the tokens of each row."""
        return [group.shared + own for group in self.groups for own in group.own]

    def count_new_tokens(self) -> list[int]:
        """Count the tokens of each row that no row before it has; together the packed row."""
        return [
            own if number else group.shared + own
            for group in self.groups
            for number, own in enumerate(group.own)
        ]


def pack(groups: Sequence[Sequence[Sequence[int]]], device: torch.device) -> PackedRows:
    """Pack groups of rows.

    Args:
        groups: token ids of each row of each group, at least one per row. The rows of a group may
            begin with the same tokens or not.
        device: device of the tensors.
    """
    token_ids: list[int] = []
    positions: list[int] = []
    places: list[torch.Tensor] = []
    packed = []
    for rows in groups:
        shared = count_shared(rows)
        first = torch.arange(len(token_ids), len(token_ids) + shared)
        token_ids += rows[0][:shared]
        positions += range(shared)
        for row in rows:
            own = torch.arange(len(token_ids), len(token_ids) + len(row) - shared)
            places.append(torch.cat([first, own]))
            token_ids += row[shared:]
            positions += range(shared, len(row))
        packed.append(Group(shared, tuple(len(row) - shared for row in rows)))
    return PackedRows(
        torch.tensor([token_ids], device=device),
        torch.tensor([positions], device=device),
        tuple(packed),
        pad_sequence(places, batch_first=True).to(device),
    )


def count_shared(rows: Sequence[Sequence[int]]) -> int:
    """Count the tokens that all rows begin with; each row keeps at least one token of its own."""
    if len(rows) == 1:
        return 0
    alike = takewhile(lambda tokens: len(set(tokens)) == 1, zip(*rows, strict=False))
    return min(sum(1 for _ in alike), min(map(len, rows)) - 1)


def batch_groups(
    rows: Sequence[Sequence[int]], prompts: Sequence[Hashable], batch_tokens: int
) -> Iterator[list[list[int]]]:
    """Group the rows of each prompt, and batch the groups.

    A group that does not fit into the rest of a batch continues in the next one.

    Args:
        rows: token ids.
        prompts: what tells the prompt of each row from others.
        batch_tokens: packed tokens of a batch; a single row that is longer is its own batch.

    Yields:
        Groups of row numbers. All of them together are all rows.
    """
    by_prompt: dict[Hashable, list[int]] = {}
    for number, prompt in enumerate(prompts):
        by_prompt.setdefault(prompt, []).append(number)
    batch: list[list[int]] = []
    tokens = 0
    for numbers in by_prompt.values():
        shared = count_shared([rows[number] for number in numbers])
        batch.append([])
        for number in numbers:
            further = len(rows[number]) - (shared if batch[-1] else 0)
            if tokens and tokens + further > batch_tokens:
                yield [group for group in batch if group]
                batch, tokens, further = [[]], 0, len(rows[number])
            batch[-1].append(number)
            tokens += further
    if batch:
        yield batch
