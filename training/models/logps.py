"""Log-probabilities of token sequences: the forward pass of causal language models.

Not here: loading models, rows and commits (`training.engine.sequence_logps`).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch.nn.functional import kl_div
from transformers import PreTrainedModel

from training.models.batches import batch_by_length, pad_right
from training.models.one_pass.backbone import run_backbone
from training.models.one_pass.families import reads_packed_rows
from training.models.one_pass.packed_rows import batch_groups, pack

SLICE_TOKENS = 1024
"""Tokens whose logits are in memory at once."""

Measure = Callable[[Sequence[torch.Tensor], torch.Tensor], torch.Tensor]
"""(float32 log-probabilities of each model, [tokens, vocabulary]; the tokens, [tokens, 1]) ->
figures of each token, [figures, tokens]."""


class Comparison(NamedTuple):
    """Sums over the tokens of a row, in nats."""

    logp: float
    """log π."""
    reference_logp: float
    """log π₀."""
    kl: float
    """KL(π || π₀) of the next token, over the whole vocabulary."""


def sum_logps(
    policy: PreTrainedModel, rows: list[list[int]], starts: list[int], batch_tokens: int
) -> Iterator[tuple[int, float]]:
    """Yield each row number and the summed log-probability of rows[row][starts[row]:], in nats.

    A model that reads packed rows computes a prompt once for all its rows, and logits only of the
    summed tokens. log_softmax is float32 for every dtype of the weights.
    """
    for row, (logp,) in _sum([policy], _take_logps, rows, starts, batch_tokens):
        yield row, logp


def compare_policies(
    policy: PreTrainedModel,
    reference: PreTrainedModel,
    rows: list[list[int]],
    starts: list[int],
    batch_tokens: int,
) -> Iterator[tuple[int, Comparison]]:
    """Yield each row number and sums over the tokens rows[row][starts[row]:] under two models.

    If the rows are sampled from the policy, the mean of `kl` is an unbiased estimate of the KL of
    whole responses (chain rule), as is the mean of log π - log π₀. It is the expectation of the
    latter given each prefix, so it varies less and is never negative (Amini et al. 2025, arXiv
    2504.10637). Both models read equal batches: equal weights give exactly 0.

    Args:
        policy: the policy.
        reference: a model with the same vocabulary, prepared for packed rows like the policy.
        rows: token ids of prompt and response.
        starts: number of tokens of each prompt.
        batch_tokens: tokens per forward pass.
    """
    models = [policy, reference]
    for row, sums in _sum(models, _compare_predictions, rows, starts, batch_tokens):
        yield row, Comparison(*sums)


def _take_logps(predictions: Sequence[torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
    return torch.stack([one.gather(-1, tokens)[:, 0] for one in predictions])


def _compare_predictions(predictions: Sequence[torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
    policy, reference = predictions
    kl = kl_div(reference, policy, reduction="none", log_target=True).sum(-1)
    # rounding gives nearly equal distributions a KL slightly below 0
    return torch.cat([_take_logps(predictions, tokens), kl.clamp_min(0)[None]])


@torch.inference_mode()
def _sum(
    models: Sequence[PreTrainedModel],
    measure: Measure,
    rows: list[list[int]],
    starts: list[int],
    batch_tokens: int,
) -> Iterator[tuple[int, list[float]]]:
    """Yield each row number and the sums of the figures of its tokens."""
    packed = {reads_packed_rows(one) for one in models}
    if len(packed) > 1:
        raise ValueError("one model reads packed rows, the other padded ones")
    read = _read_packed if packed == {True} else _read_padded
    for row, figures in read(models, measure, rows, starts, batch_tokens):
        yield row, figures.sum(-1, dtype=torch.float64).tolist()


def _read_padded(
    models: Sequence[PreTrainedModel],
    measure: Measure,
    rows: list[list[int]],
    starts: list[int],
    batch_tokens: int,
) -> Iterator[tuple[int, torch.Tensor]]:
    for batch in batch_by_length(rows, batch_tokens):
        # Causal attention never reads padding on the right, so any token id works.
        inputs, mask = pad_right([rows[row] for row in batch], 0, models[0].device)
        logits = [
            one(input_ids=inputs, attention_mask=mask, use_cache=False).logits for one in models
        ]
        for position, row in enumerate(batch):
            # The logits at t - 1 predict token t. One row at a time: float32 is twice bfloat16.
            start, end = starts[row], len(rows[row])
            predictions = [
                one[position, start - 1 : end - 1].float().log_softmax(dim=-1) for one in logits
            ]
            yield row, measure(predictions, inputs[position, start:end, None])


def _read_packed(
    models: Sequence[PreTrainedModel],
    measure: Measure,
    rows: list[list[int]],
    starts: list[int],
    batch_tokens: int,
) -> Iterator[tuple[int, torch.Tensor]]:
    prompts = [tuple(row[:start]) for row, start in zip(rows, starts, strict=True)]
    heads = [one.get_output_embeddings() for one in models]
    for groups in batch_groups(rows, prompts, batch_tokens):
        packed = pack([[rows[row] for row in group] for group in groups], models[0].device)
        batch = [row for group in groups for row in group]
        read, tokens = [], []
        for places, row in zip(packed.places, batch, strict=True):
            read.append(places[starts[row] - 1 : len(rows[row]) - 1])
            tokens += rows[row][starts[row] :]
        places = torch.cat(read)
        states = [run_backbone(one, packed)[places].split(SLICE_TOKENS) for one in models]
        targets = torch.tensor(tokens, device=models[0].device)[:, None].split(SLICE_TOKENS)
        figures = torch.cat(
            [
                measure(
                    [
                        head(one).float().log_softmax(-1)
                        for head, one in zip(heads, part, strict=True)
                    ],
                    target,
                )
                for *part, target in zip(*states, targets, strict=True)
            ],
            dim=-1,
        )
        yield from zip(batch, figures.split([len(one) for one in read], dim=-1), strict=True)


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
