"""Batches of token lists for forward passes without gradients: grouped by length, padded right.

Not here: forward passes (`training.models.logps`, `training.models.rewards`).
"""

from collections.abc import Iterator, Sequence

import torch

from transforms.errors import InputError


def batch_by_length(token_ids: Sequence[Sequence[int]], batch_tokens: int) -> Iterator[list[int]]:
    """Group rows of similar length, longest first, into batches of row numbers.

    In a batch, rows x longest row <= batch_tokens. A single row that is longer is its own batch.
    """
    rows = sorted(range(len(token_ids)), key=lambda row: -len(token_ids[row]))
    while rows:
        size = max(1, batch_tokens // len(token_ids[rows[0]]))
        yield rows[:size]
        rows = rows[size:]


def pad_right(
    token_ids: Sequence[Sequence[int]], pad_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack rows of tokens into one tensor, padded on the right.

    Returns:
        Token ids and mask (1 = token, 0 = padding), both int64 [rows, longest row].
    """
    lengths = torch.tensor([len(row) for row in token_ids])
    mask = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
    padded = torch.full_like(mask, pad_id)
    padded[mask.bool()] = torch.tensor([token for row in token_ids for token in row])
    return padded.to(device), mask.to(device)


def require_fit(
    token_ids: Sequence[Sequence[int]], names: Sequence[str], context_tokens: int
) -> None:
    """Refuse rows that are longer than the model's context.

    Raises:
        InputError: a row is too long; the message gives the name of the first one.
    """
    for name, row in zip(names, token_ids, strict=True):
        if len(row) > context_tokens:
            raise InputError(
                f"too long for the model's context: prompt {name}",
                expected=f"at most {context_tokens} tokens with its response",
                found=f"{len(row)} tokens",
                remedy="sample with a smaller max_context_tokens, or use a model with more context",
            )
