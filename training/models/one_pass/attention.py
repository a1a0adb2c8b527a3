"""Attention over a packed row: a token sees the tokens before it in its own row only.

A row attends as it would without packing, with torch's kernels: one row after the other
(`scaled_dot_product_attention`), or on a GPU in 16 bits all rows in one call (`varlen_attn`, flash
attention). The queries are those of the packed row; keys and values of shared tokens are repeated
for each row. A sliding window is kept.
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
    rows = [
        _attend_row(*row, scaling=scaling, dropout=dropout, window=sliding_window)
        for row in zip(
            query.split(_count_queries(query, packed), 2),
            packed.split(key, 2),
            packed.split(value, 2),
            strict=True,
        )
    ]
    return torch.cat(rows, 2).transpose(1, 2), None


def _count_queries(query: torch.Tensor, packed: PackedRows) -> list[int]:
    """Count the queries of each row: its new tokens, or only its last token."""
    whole = query.shape[2] == packed.token_ids.shape[1]
    return packed.count_new_tokens() if whole else [1] * len(packed.places)


def _attend_row(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    scaling: float | None,
    dropout: float,
    window: int | None,
) -> torch.Tensor:
    """Attend in one row; the queries are those of its last tokens."""
    read, tokens = query.shape[2], key.shape[2]
    mask = None
    narrow = window is not None and window < tokens
    if narrow or 1 < read < tokens:
        places = torch.arange(tokens, device=query.device)
        distance = places[-read:, None] - places
        mask = (distance >= 0) & (distance < (window or tokens))
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
    read, lengths = _count_queries(query, packed), packed.count_tokens()
    query, key, value = (states[0].transpose(0, 1) for states in (query, key, value))
    attended = varlen_attn(
        query,
        torch.cat(packed.split(key, 0)),
        torch.cat(packed.split(value, 0)),
        _count_up(read, query.device),
        _count_up(lengths, query.device),
        max(read),
        max(lengths),
        scale=scaling,
        # the last query of a row is at its last key
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return cast(torch.Tensor, attended)[None]


def _count_up(lengths: list[int], device: torch.device) -> torch.Tensor:
    return torch.tensor([0, *lengths], device=device).cumsum(0, dtype=torch.int32)


AttentionInterface.register(NAME, attend)
