"""Attention over a packed row: a token sees the tokens before it in its own row only.

A row attends as it would without packing, with torch's kernels: one causal row after the other
(`scaled_dot_product_attention`), or on a GPU in 16 bits all rows in one call (`varlen_attn`, flash
attention). So the shared tokens are computed once in all other parts of a layer, and in attention
once per row. A sliding window is kept.
"""

from typing import Any, cast

import torch
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from training.models.one_pass.packed_rows import PackedRows

NAME = "one_pass"
"""Name of this attention in transformers (`attn_implementation`)."""

FLASH_WIDTH = 256
"""Widest head of flash attention; the width must be a multiple of 8."""


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    packed: PackedRows,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Compute the attention of a layer; an attention function of transformers.

    Args:
        module: the layer's attention.
        query: [1, heads, packed tokens, head width]; or only those of the last token of each row,
            [1, heads, rows, head width].
        key: [1, key heads, packed tokens, head width].
        value: as `key`.
        attention_mask: None; the groups of the packed row decide.
        packed: the packed row.
        scaling: factor of the logits; None: 1 / sqrt(head width).
        dropout: share of attention weights that is set to zero.
        sliding_window: tokens that a token sees, with itself; None: all before it.

    Returns:
        States [1, tokens of the query, heads, head width], and None instead of weights.
    """
    if torch.is_autocast_enabled(query.device.type):
        dtype = torch.get_autocast_dtype(query.device.type)
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    flash = query.is_cuda and query.dtype in (torch.float16, torch.bfloat16)
    if flash and query.shape[-1] % 8 == 0 and query.shape[-1] <= FLASH_WIDTH and not dropout:
        return _attend_at_once(query, key, value, packed, scaling, sliding_window), None
    whole = query.shape[2] == key.shape[2]
    queries = packed.split(query, 2) if whole else query.split(1, 2)
    rows = [
        _attend_row(*row, scaling=scaling, dropout=dropout, window=sliding_window)
        for row in zip(queries, packed.split(key, 2), packed.split(value, 2), strict=True)
    ]
    return (packed.join(rows, 2) if whole else torch.cat(rows, 2)).transpose(1, 2), None


def _attend_row(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    scaling: float | None,
    dropout: float,
    window: int | None,
) -> torch.Tensor:
    read, tokens = query.shape[2], key.shape[2]
    mask = None
    if window is not None and window < tokens:
        places = torch.arange(tokens, device=query.device)
        distance = places[-read:, None] - places
        mask = (distance >= 0) & (distance < window)
    return scaled_dot_product_attention(
        query,
        key,
        value,
        mask,
        dropout_p=dropout,
        is_causal=mask is None and read == tokens,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )


def _attend_at_once(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    packed: PackedRows,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    whole = query.shape[2] == key.shape[2]
    lengths = [group.shared + own for group in packed.groups for own in group.own]
    read = lengths if whole else [1] * len(lengths)
    query, key, value = (states[0].transpose(0, 1) for states in (query, key, value))
    attended = varlen_attn(
        torch.cat(packed.split(query, 0)) if whole else query,
        torch.cat(packed.split(key, 0)),
        torch.cat(packed.split(value, 0)),
        _count_up(read, query.device),
        _count_up(lengths, query.device),
        max(read),
        max(lengths),
        scale=scaling,
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    states = cast(torch.Tensor, attended)
    return (packed.join(states.split(lengths), 0) if whole else states)[None]


def _count_up(lengths: list[int], device: torch.device) -> torch.Tensor:
    return torch.tensor([0, *lengths], device=device).cumsum(0, dtype=torch.int32)


AttentionInterface.register(NAME, attend)
