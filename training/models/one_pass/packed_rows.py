"""The packed row: all rows of a batch as one row, in which shared first tokens stand once.

A group of rows, such as a prompt with its responses, is `[shared | own 1 | own 2 | ...]`. Positions
restart after the shared tokens. Not here: attention (`training.models.one_pass.attention`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

import torch


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
    """Place in the packed row of each token of each row, [rows, longest row]; 0 for padding."""

    def split(self, states: torch.Tensor, dim: int) -> list[torch.Tensor]:
        """Split packed states into whole rows, in the order of the packed row.

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

    def join(self, rows: Sequence[torch.Tensor], dim: int) -> torch.Tensor:
        """Join whole rows into packed states; of shared tokens, the first row's are used."""
        parts, following = [], iter(rows)
        for group in self.groups:
            for number, own in enumerate(group.own):
                row = next(following)
                parts.append(row.narrow(dim, group.shared, own) if number else row)
        return torch.cat(parts, dim)


def pack(
    rows: Sequence[Sequence[int]], groups: Sequence[Sequence[int]], device: torch.device
) -> PackedRows:
    """Pack rows.

    Args:
        rows: token ids, at least one per row.
        groups: numbers of the rows of each group; every row is in one group. The rows of a group
            may begin with the same tokens or not.
        device: device of the tensors.
    """
    token_ids: list[int] = []
    positions: list[int] = []
    places = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    packed = []
    for numbers in groups:
        members = [rows[number] for number in numbers]
        shared = count_shared(members)
        start = len(token_ids)
        token_ids += members[0][:shared]
        positions += range(shared)
        for number, row in zip(numbers, members, strict=True):
            places[number, :shared] = torch.arange(start, start + shared)
            places[number, shared : len(row)] = torch.arange(len(row) - shared) + len(token_ids)
            token_ids += row[shared:]
            positions += range(shared, len(row))
        packed.append(Group(shared, tuple(len(row) - shared for row in members)))
    return PackedRows(
        torch.tensor([token_ids], device=device),
        torch.tensor([positions], device=device),
        tuple(packed),
        places.to(device),
    )


def count_shared(rows: Sequence[Sequence[int]]) -> int:
    """Count the tokens that all rows begin with; each row keeps at least one token of its own."""
    if len(rows) == 1:
        return 0
    alike = takewhile(lambda tokens: len(set(tokens)) == 1, zip(*rows, strict=False))
    return min(sum(1 for _ in alike), min(map(len, rows)) - 1)
