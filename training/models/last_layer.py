"""A decoder's last layer, computed only at the one token per row that a scalar head reads.

The head reads the final state of each row's last token. So the last layer needs the query,
attention, output projection and feed-forward block of that token only; the other tokens need keys
and values only. This is the arithmetic of decoding one token with a cache, and the layer's own
forward method does it, so no code of a model family is copied here. Not here: the forward pass and
the head (`training.models.rewards`).
"""

from contextlib import suppress
from typing import Any, cast

import torch
from transformers import PreTrainedModel

from training.models.one_pass.backbone import run_backbone
from training.models.one_pass.packed_rows import PackedRows

FAMILIES = frozenset(
    {"gemma", "gemma2", "gemma3_text", "llama", "mistral", "phi3", "qwen2", "qwen3"}
)
"""`model_type`s whose layers take rotary embeddings and cache their own keys; each is tested. For a
model of another type, every layer computes all tokens."""


class _StoredError(Exception):
    """Stops a layer's forward once the keys and values are stored."""


class _KeysAndValues:
    """A layer's cache: the first call stores the states of whole rows, later calls return them."""

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
    """A decoder layer that returns the states of selected tokens per row."""

    def __init__(self, layer: torch.nn.Module) -> None:
        """Wrap a layer, which keeps its weights."""
        super().__init__()
        self.layer = layer

    def forward(
        self,
        hidden_states: torch.Tensor,
        *,
        read: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        attention_mask: torch.Tensor | None = None,
        **arguments: Any,
    ) -> torch.Tensor:
        """Compute the layer at tokens `read` [rows, read] of states [rows, tokens, width].

        `attention_mask` is the model's: None where the kernel is causal without a mask, else
        [1 or rows, 1, tokens, tokens], either boolean or added to the logits. `arguments` are the
        model's other arguments of a layer.

        Returns:
            States [rows, read, width].
        """
        del arguments["position_ids"], arguments["past_key_values"]  # they describe whole rows
        rows, tokens, _ = hidden_states.shape
        row = torch.arange(rows, device=hidden_states.device)[:, None]
        cache = _KeysAndValues()
        with suppress(_StoredError):
            self.layer(
                hidden_states,
                position_embeddings=position_embeddings,
                attention_mask=attention_mask,
                past_key_values=cache,
                **arguments,
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
            **arguments,
        )


def shorten_last_layer(model: PreTrainedModel) -> None:
    """Make a decoder of `FAMILIES` compute its last layer only at the tokens that are read.

    Args:
        model: a decoder without its head; changed in place.
    """
    if model.config.model_type in FAMILIES:
        layers = cast(torch.nn.ModuleList, model.layers)
        layers[-1] = LastTokenLayer(layers[-1])


def compute_last_states(
    model: PreTrainedModel, token_ids: torch.Tensor, last: torch.Tensor
) -> torch.Tensor:
    """Compute the final states of one token per row, in rows padded on the right.

    Causal attention never reads padding on the right. Without a mask the attention kernel skips the
    upper triangle. No cache is kept for a next token.

    Args:
        model: a causal decoder without its head; `shorten_last_layer` may have changed it.
        token_ids: [rows, tokens].
        last: position of each row's last token, [rows].

    Returns:
        States [rows, width].
    """
    read = last[:, None]
    if _is_shortened(model):
        return model(input_ids=token_ids, use_cache=False, read=read).last_hidden_state[:, 0]
    hidden = model(input_ids=token_ids, use_cache=False).last_hidden_state
    return hidden[torch.arange(len(last), device=hidden.device), last.to(hidden.device)]


def compute_packed_states(
    model: PreTrainedModel, packed: PackedRows, read: torch.Tensor
) -> torch.Tensor:
    """Compute the final states of the last token of each row of a packed row.

    Args:
        model: a model that reads packed rows; `shorten_last_layer` may have changed its decoder.
        packed: the packed row.
        read: place of each row's last token, [rows].

    Returns:
        States [rows, width].
    """
    if _is_shortened(cast(PreTrainedModel, model.base_model)):
        return run_backbone(model, packed, read=read[None])
    return run_backbone(model, packed)[read]


def _is_shortened(model: PreTrainedModel) -> bool:
    return any(isinstance(module, LastTokenLayer) for module in model.modules())
