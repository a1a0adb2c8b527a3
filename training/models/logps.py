"""Log-probabilities of token sequences: the forward pass of a causal language model.

Not here: loading models, rows and commits (`training.engine.sequence_logps`).
"""

from collections.abc import Iterator

import torch
from transformers import PreTrainedModel

from training.models.batches import batch_by_length, pad_right
from training.models.one_pass.backbone import run_backbone
from training.models.one_pass.families import reads_packed_rows
from training.models.one_pass.packed_rows import batch_groups, pack

SLICE_TOKENS = 1024
"""Tokens whose logits are in memory at once."""


@torch.inference_mode()
def sum_logps(
    policy: PreTrainedModel, rows: list[list[int]], starts: list[int], batch_tokens: int
) -> Iterator[tuple[int, float]]:
    """Yield each row number and the summed log-probability of rows[row][starts[row]:], in nats.

    A model that reads packed rows computes a prompt once for all its rows, and logits only of the
    summed tokens. log_softmax is float32 for every dtype of the weights.
    """
    if reads_packed_rows(policy):
        yield from _sum_packed(policy, rows, starts, batch_tokens)
        return
    for batch in batch_by_length(rows, batch_tokens):
        # Causal attention never reads padding on the right, so any token id works.
        inputs, mask = pad_right([rows[row] for row in batch], 0, policy.device)
        logits = policy(input_ids=inputs, attention_mask=mask, use_cache=False).logits
        for position, row in enumerate(batch):
            # The logits at t - 1 predict token t. One row at a time: float32 is twice bfloat16.
            start, end = starts[row], len(rows[row])
            predictions = logits[position, start - 1 : end - 1].float().log_softmax(dim=-1)
            tokens = inputs[position, start:end, None]
            yield row, predictions.gather(-1, tokens).sum(dtype=torch.float64).item()


def _sum_packed(
    policy: PreTrainedModel, rows: list[list[int]], starts: list[int], batch_tokens: int
) -> Iterator[tuple[int, float]]:
    prompts = [tuple(row[:start]) for row, start in zip(rows, starts, strict=True)]
    head = policy.get_output_embeddings()
    for groups in batch_groups(rows, prompts, batch_tokens):
        packed = pack([[rows[row] for row in group] for group in groups], policy.device)
        batch = [row for group in groups for row in group]
        read, tokens = [], []
        for places, row in zip(packed.places, batch, strict=True):
            read.append(places[starts[row] - 1 : len(rows[row]) - 1])
            tokens += rows[row][starts[row] :]
        states = run_backbone(policy, packed)[torch.cat(read)]
        targets = torch.tensor(tokens, device=policy.device)
        logps = torch.cat(
            [
                head(part).float().log_softmax(-1).gather(1, target[:, None])[:, 0]
                for part, target in zip(
                    states.split(SLICE_TOKENS), targets.split(SLICE_TOKENS), strict=True
                )
            ]
        )
        for row, part in zip(batch, logps.split([len(one) for one in read]), strict=True):
            yield row, part.sum(dtype=torch.float64).item()


def store_linear_weights_in_bfloat16(model: PreTrainedModel) -> None:
    """Convert the weights of linear layers, for a model that computes in bfloat16 by autocast.

    Autocast converts them in every forward pass, so the results are equal, and memory is nearly
    half. All other weights stay float32, also those of a head that are the embeddings, too.

    Args:
        model: a model with float32 weights; changed in place.
    """
    embeddings = model.get_input_embeddings().weight
    for module in model.modules():
        if type(module) is torch.nn.Linear and module.weight is not embeddings:
            module.to(torch.bfloat16)
