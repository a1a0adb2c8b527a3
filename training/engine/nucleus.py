"""Top-p in vLLM on a CPU without sorting the vocabulary.

Without Triton, vLLM sorts all logits of every sequence at every token. For a vocabulary of tens of
thousands of words this takes longer than the layers of a small model. The nucleus is nearly always
among a few hundred likely tokens, which are found without sorting; other rows are sorted as vLLM
does. The kept tokens are the same (of tokens with equal logits, one as good as another).

vLLM imports this module by the name `NUCLEUS` (`training.engine.vllm_engine`).
"""

from typing import Any

import torch
from vllm.v1.sample.logits_processor import LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates
from vllm.v1.sample.ops.topk_topp_sampler import apply_top_k_top_p_pytorch

ARGUMENT = "nucleus"
"""Key of top_p in a request's `extra_args`; its own top_p is 1."""

LIKELY = 512
"""Most likely tokens among which the nucleus is searched first."""


def keep_nucleus(logits: torch.Tensor, top_p: torch.Tensor, likely: int = LIKELY) -> torch.Tensor:
    """Mask the tokens outside the nucleus: before a kept token, the mass is below top_p.

    Args:
        logits: float32, [rows, vocabulary]; changed.
        top_p: mass of the nucleus, below 1, [rows].
        likely: most likely tokens among which the nucleus is searched first.

    Returns:
        The logits, -inf outside the nucleus.
    """
    values, ids = logits.topk(min(likely, logits.shape[1]))
    mass = (values - logits.logsumexp(1, keepdim=True)).exp()
    before = mass.cumsum(1) - mass
    wide = (before + mass)[:, -1] < top_p
    sorted_rows = logits[wide]
    logits.fill_(-torch.inf)
    logits.scatter_(1, ids, values.masked_fill_(before >= top_p[:, None], -torch.inf))
    if len(sorted_rows):
        logits[wide] = apply_top_k_top_p_pytorch(sorted_rows, None, top_p[wide])
    return logits


class Nucleus(LogitsProcessor):
    """Top-p of the requests that have `ARGUMENT`."""

    def __init__(self, *_: object) -> None:
        """Start without requests."""
        self._top_p: dict[int, float] = {}

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Mask the logits [requests, vocabulary], which temperature has divided."""
        if not self._top_p:
            return logits
        rows = sorted(self._top_p)
        top_p = torch.tensor([self._top_p[row] for row in rows])
        if len(rows) == len(logits):
            return keep_nucleus(logits, top_p)
        logits[rows] = keep_nucleus(logits[rows], top_p)
        return logits

    def is_argmax_invariant(self) -> bool:
        """Return True: the most likely token is always kept."""
        return True

    def update_state(self, batch_update: Any) -> None:
        """Follow the requests of the batch by their rows."""
        process_dict_updates(
            self._top_p, batch_update, lambda params, *_: (params.extra_args or {}).get(ARGUMENT)
        )
