"""A last decoder layer that computes only the tokens that a head reads, one per row.

Not here: the forward pass and the head (`training.models.rewards`). A scalar head reads the final
state of each row's last token, so of the last layer only that token's query, attention, output
projection and feed-forward block are needed; the other tokens give their keys and values. This is
the arithmetic of decoding a token with a cache, and the layer's own forward does it: no code of a
family of models is repeated here.
"""

from contextlib import suppress
from typing import Any

import torch
from transformers import PreTrainedModel

FAMILIES = frozenset(
    {"gemma", "gemma2", "gemma3_text", "llama", "mistral", "phi3", "qwen2", "qwen3"}
)
"""`model_type`s whose layers take rotary embeddings and cache their own keys; each is tested. In a
model of another type every layer computes all tokens."""


class _StoredError(Exception):
    """Keys and values are known; the rest of the layer's forward is not needed."""


class _KeysAndValues:
    """A layer's cache: stores keys and values of whole rows first, then returns them."""

    def __init__(self) -> None:
        self._states: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, *_: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self._states is None:
            self._states = keys, values
            raise _StoredError
        return self._states


class LastTokenLayer(torch.nn.Module):
    """A decoder layer that returns the states of some tokens per row."""

    def __init__(self, layer: torch.nn.Module) -> None:
        """Wrap a layer; it keeps its weights."""
        super().__init__()
        self.layer = layer

    def forward(
        self,
        hidden_states: torch.Tensor,
        *,
        read: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        attention_mask: torch.Tensor | None = None,
        **of_rows: Any,
    ) -> torch.Tensor:
        """Compute the layer at tokens `read` [rows, read] of states [rows, tokens, width].

        `attention_mask` is the model's: none where its kernel is causal by itself, else
        [1 or rows, 1, tokens, tokens], boolean or added to the logits.

        Returns:
            States [rows, read, width].
        """
        del of_rows["position_ids"], of_rows["past_key_values"]  # of whole rows
        rows, tokens, _ = hidden_states.shape
        row = torch.arange(rows, device=hidden_states.device)[:, None]
        cache = _KeysAndValues()
        with suppress(_StoredError):
            self.layer(
                hidden_states,
                position_embeddings=position_embeddings,
                attention_mask=attention_mask,
                past_key_values=cache,
                **of_rows,
            )
        if attention_mask is None:
            mask = torch.arange(tokens, device=read.device) <= read[:, :, None]
        else:
            mask = attention_mask[:, 0].expand(rows, -1, -1)[row, read]
        return self.layer(
            hidden_states[row, read],
            position_embeddings=tuple(
                part.expand(rows, -1, -1)[row, read] for part in position_embeddings
            ),
            attention_mask=mask[:, None],
            past_key_values=cache,
            **of_rows,
        )


def shorten_last_layer(model: PreTrainedModel) -> None:
    """Have a decoder of `FAMILIES` compute its last layer at the tokens that are read only.

    Args:
        model: without its head; it is changed.
    """
    if model.config.model_type in FAMILIES:
        model.layers[-1] = LastTokenLayer(model.layers[-1])


def compute_last_states(
    model: PreTrainedModel, token_ids: torch.Tensor, last: torch.Tensor
) -> torch.Tensor:
    """Compute the final states of one token per row, in rows padded on the right.

    Padding is where causal attention never looks: without a mask the attention kernel skips the
    upper triangle. Nothing is kept for a next token.

    Args:
        model: a causal decoder without its head, given to `shorten_last_layer` before.
        token_ids: [rows, tokens].
        last: position of each row's last token, [rows].

    Returns:
        States [rows, width].
    """
    read = last[:, None]
    if model.config.model_type in FAMILIES:
        return model(input_ids=token_ids, use_cache=False, read=read).last_hidden_state[:, 0]
    hidden = model(input_ids=token_ids, use_cache=False).last_hidden_state
    return hidden[torch.arange(len(last), device=last.device), last]
