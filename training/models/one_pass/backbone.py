"""The layers of a model over a packed row, for every forward pass.

Not here: the packed row (`training.models.one_pass.packed_rows`), heads.
"""

import torch
from transformers import PreTrainedModel

from training.models.one_pass.packed_rows import PackedRows


def run_backbone(
    model: PreTrainedModel, packed: PackedRows, **arguments: torch.Tensor
) -> torch.Tensor:
    """Compute the final states of a packed row, [packed tokens, width].

    Args:
        model: a causal language model or a classifier that reads packed rows.
        packed: the packed row.
        arguments: further arguments of its layers.
    """
    return model.base_model(
        input_ids=packed.token_ids,
        position_ids=packed.position_ids,
        use_cache=False,
        packed=packed,
        **arguments,
    ).last_hidden_state[0]
