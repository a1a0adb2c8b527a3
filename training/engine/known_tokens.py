"""A mask of logits in vLLM: token ids that the tokenizer does not know are never sampled.

Many models have more rows of embeddings than their tokenizer has tokens, because matrices of some
sizes are faster. Such a row is never trained, and its token has no text.

vLLM imports this module by the name `KNOWN_TOKENS` (`training.engine.vllm_engine`).
"""

from pathlib import Path
from typing import Any

import torch
from vllm.v1.sample.logits_processor import LogitsProcessor

from training.models.rendering import list_unknown_ids


class KnownTokens(LogitsProcessor):
    """Give unknown token ids the probability 0, in all requests."""

    def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:
        """List the unknown ids of the engine's model."""
        unknown = list_unknown_ids(Path(vllm_config.model_config.model))
        self._unknown = torch.tensor(unknown, dtype=torch.long, device=device)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Mask the logits [requests, vocabulary]."""
        return logits.index_fill_(1, self._unknown, -torch.inf)

    def is_argmax_invariant(self) -> bool:
        """Return False: without the mask, greedy decoding could choose an unknown id."""
        return False

    def update_state(self, batch_update: Any) -> None:
        """Do nothing: the mask is the same for all requests."""
