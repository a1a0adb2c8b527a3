"""Preference probabilities: the forward pass of a preference model over two responses.

P(a over b) = (p(A | a, b) + p(B | b, a)) / 2, where p(A | a, b) = sigmoid(l_A - l_B); l_A and l_B
are the logits of the two labels when a is response A and b is response B. Both orders are computed,
so P(a over b) + P(b over a) = 1. Not here: training the model (`training.preference_model`), the
choice of comparisons (`training.ranking`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.models.batches import batch_by_length, pad_right, require_fit
from training.models.comparison_prompts import (
    Comparison,
    find_label_tokens,
    tokenize_comparisons,
)
from training.models.loading.config import get_context_tokens
from training.models.loading.weights import load_causal_model
from training.models.rendering import load_tokenizer
from training.models.token_counts import split_too_long
from transforms.errors import InputError


@dataclass(frozen=True)
class PreferenceModel:
    """A loaded preference model."""

    folder: Path
    model: PreTrainedModel
    """Causal model with a head of two logits: A and B."""
    tokenizer: PreTrainedTokenizerBase


@dataclass(frozen=True)
class Preferences:
    """Result of `compare_responses`."""

    probabilities: list[float]
    """P(first over second), in the order of the comparisons."""
    tokens: int
    """Tokens that the model read, in both orders, without padding."""


def load_preference_model(folder: Path, dtype: str, *, gpus: int = 1) -> PreferenceModel:
    """Load a preference model. Its weights have the given dtype; its head computes in float32.

    Args:
        folder: folder of the preference model.
        dtype: dtype of the weights.
        gpus: GPUs of this process that share the model.

    Raises:
        InputError: the folder is not a complete model, its tokenizer has no tokens for the labels,
            or there are too few GPUs.
    """
    tokenizer = load_tokenizer(folder)
    labels = find_label_tokens(tokenizer)
    model = load_causal_model(folder, dtype, gpus=gpus)
    # Only two rows of the head are read. In bfloat16, logits near 20 have steps of 0.125.
    whole = model.get_output_embeddings()
    device = whole.weight.device
    head = torch.nn.Linear(
        whole.in_features, len(labels), bias=whole.bias is not None, device=device
    )
    with torch.no_grad():
        head.weight.copy_(torch.stack([whole.weight[label] for label in labels]))
        if whole.bias is not None:
            head.bias.copy_(torch.stack([whole.bias[label] for label in labels]))
    head.register_forward_pre_hook(lambda _, hidden: (hidden[0].to(device, torch.float32),))
    model.set_output_embeddings(head)
    return PreferenceModel(Path(folder), model.eval(), tokenizer)


def compare_responses(
    model: PreferenceModel,
    comparisons: Sequence[Comparison],
    names: Sequence[str],
    *,
    batch_tokens: int,
) -> Preferences:
    """Compute P(first over second) of every comparison, independent of row order and batches.

    Equal responses get 0.5. The probabilities of (a, b) and (b, a) add to exactly 1, in one call or
    in two, because both are computed from the responses in sorted order.

    Args:
        model: from `load_preference_model`.
        comparisons: prompt (messages), first response, second response.
        names: a name for each comparison's prompt, for error messages.
        batch_tokens: padded tokens per forward pass.

    Raises:
        InputError: a comparison does not fit into the model's context, or its probability is not
            finite; the message gives its name.
    """
    swapped = [second < first for _, first, second in comparisons]
    in_order = [(prompt, min(one, two), max(one, two)) for prompt, one, two in comparisons]
    reverse_order = [(prompt, second, first) for prompt, first, second in in_order]
    token_ids = tokenize_comparisons(model.tokenizer, in_order + reverse_order)
    require_fit(token_ids, [*names, *names], get_context_tokens(model.model.config))
    chances = [math.nan] * len(token_ids)
    for batch in batch_by_length(token_ids, batch_tokens):
        for row, chance in zip(
            batch, _compute_chances_of_a(model, [token_ids[row] for row in batch]), strict=True
        ):
            chances[row] = chance
    probabilities = []
    for index, (_, first, second) in enumerate(comparisons):
        one, other = chances[index], chances[len(comparisons) + index]
        # Equal responses give exactly 0.5, even if the batch changed the last bit of a chance.
        probability = 0.5 if first == second else 0.5 + (one - other) / 2
        _require_finite(one + other, names[index], model)
        probabilities.append(1 - probability if swapped[index] else probability)
    return Preferences(probabilities, sum(map(len, token_ids)))


def split_by_length(
    pairs: pl.DataFrame, preference_model: Path, max_tokens: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split pairs into those that fit the training length of a preference model, and longer ones.

    Args:
        pairs: pair_id, prompt, chosen, rejected (lists of one message), and other columns.
        preference_model: folder of the model; its tokenizer counts.
        max_tokens: maximum tokens of an example, which is the comparison and its label.

    Returns:
        The pairs that fit, and the others (`token_counts.DROPPED`).
    """
    token_ids = tokenize_comparisons(load_tokenizer(preference_model), _list_comparisons(pairs))
    tokens = pl.Series("tokens", [len(row) + 1 for row in token_ids], dtype=pl.Int64)
    read, too_long = split_too_long(pairs.with_columns(tokens), "tokens", max_tokens, key="pair_id")
    return read.drop("tokens"), too_long


def _list_comparisons(pairs: pl.DataFrame) -> list[Comparison]:
    return [
        (prompt, chosen[-1]["content"], rejected[-1]["content"])
        for prompt, chosen, rejected in pairs.select("prompt", "chosen", "rejected").iter_rows()
    ]


@torch.inference_mode()
def _compute_chances_of_a(model: PreferenceModel, token_ids: list[list[int]]) -> list[float]:
    """Compute sigmoid(l_A - l_B) at the last token of each row, float64."""
    inputs, mask = pad_right(token_ids, model.tokenizer.pad_token_id, model.model.device)
    logits = model.model(input_ids=inputs, attention_mask=mask, use_cache=False).logits
    last = logits[torch.arange(len(token_ids)), mask.sum(dim=1) - 1].double()
    return (last[:, 0] - last[:, 1]).sigmoid().tolist()


def _require_finite(value: float, name: str, model: PreferenceModel) -> None:
    if not math.isfinite(value):
        raise InputError(
            f"the preference of prompt {name} is not finite",
            expected="a probability",
            found=str(value),
            remedy=f"check the weights of {model.folder}, or compare in float32",
        )
