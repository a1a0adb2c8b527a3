"""A mask of logits in vLLM: rows that were added to a model's embeddings are never sampled.

`training.models.initial_model` adds rows up to a multiple of 64. Rows without a token have no text,
and unlike the spare rows of a published model they were not trained to be unlikely. The mask is not
used for other models, because it makes vLLM wait for the tokens of the last step.

vLLM imports this module by the name `KNOWN_TOKENS` (`training.engine.vllm_engine`), and has two
interfaces for it, one of each of its model runners.
"""

from pathlib import Path
from typing import Any

import torch
from vllm.v1.sample.logits_processor import LogitsProcessor
from vllm.v1.worker.gpu.sample.logits_processor.interface import (
    LogitsProcessor as NewLogitsProcessor,
)

from training.models.rendering import list_unknown_ids


class KnownTokens(LogitsProcessor, NewLogitsProcessor):
    """Give ids without a token the probability 0, in all requests."""

    def __init__(self, vllm_config: Any, device_or_requests: Any, *_: object) -> None:
        """List the unknown ids of the engine's model; the second argument is or has the device."""
        unknown = list_unknown_ids(Path(vllm_config.model_config.model))
        device = getattr(device_or_requests, "device", device_or_requests)
        self._unknown = torch.tensor(unknown, dtype=torch.long, device=device)

    def apply(self, logits: torch.Tensor, _: Any = None) -> torch.Tensor:
        """Mask the logits [requests, vocabulary]."""
        return logits.index_fill_(1, self._unknown, -torch.inf)

    def is_argmax_invariant(self) -> bool:
        """Return False: without the mask, greedy decoding could choose an unknown id."""
        return False

    def update_state(self, batch_update: Any) -> None:
        """Do nothing: the mask is the same for all requests."""
