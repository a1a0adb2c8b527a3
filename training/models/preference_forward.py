"""Preference probabilities of two responses: the forward pass of a preference model, both orders.

Not here: training the model (`training.preference_model`), the choice of comparisons
(`training.ranking`).

P(a over b) = (p(A | a, b) + p(B | b, a)) / 2, where p(A | a, b) = sigmoid(l_A - l_B), the logits of
the two labels where a is response A and b is response B. So the order of the responses does not
count: P(a over b) + P(b over a) = 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase

from training.models.batches import batch_by_length, pad_right, read_context_tokens, require_fit
from training.models.comparison_prompts import (
    Comparison,
    find_label_tokens,
    tokenize_comparisons,
)
from training.models.rendering import load_tokenizer
from training.settings.scoring import RankingSettings
from transforms.errors import InputError

COMPARED_AT_ONCE = 4096
"""Pairs that `compare_pairs` tokenises in one call."""


@dataclass(frozen=True)
class PreferenceModel:
    """A preference model, ready to compare."""

    folder: Path
    model: torch.nn.Module
    """Causal model whose head gives two logits, of A and B."""
    tokenizer: PreTrainedTokenizerBase


@dataclass(frozen=True)
class Preferences:
    """Result of `compare_responses`."""

    probabilities: list[float]
    """P(first over second), in the order of the comparisons."""
    tokens: int
    """Tokens that went through the model, both orders, without padding."""


def load_preference_model(folder: Path, dtype: str) -> PreferenceModel:
    """Load a preference model; `dtype` is that of the weights, its head computes in float32.

    Raises:
        InputError: the folder is no complete model, or its tokenizer has no tokens for the labels.
    """
    tokenizer = load_tokenizer(folder)
    labels = find_label_tokens(tokenizer)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    # Two rows of the head are all that is read. In bfloat16 logits near 20 come in steps of 0.125.
    whole = model.get_output_embeddings()
    head = torch.nn.Linear(whole.in_features, len(labels), bias=whole.bias is not None)
    with torch.no_grad():
        head.weight.copy_(whole.weight[list(labels)])
        if whole.bias is not None:
            head.bias.copy_(whole.bias[list(labels)])
    head.register_forward_pre_hook(lambda _, hidden: (hidden[0].float(),))
    model.set_output_embeddings(head)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return PreferenceModel(Path(folder), model.eval().to(device), tokenizer)


def compare_responses(
    model: PreferenceModel,
    comparisons: Sequence[Comparison],
    names: Sequence[str],
    *,
    batch_tokens: int,
) -> Preferences:
    """Compute P(first over second) of every comparison; neither order nor batch changes it.

    Equal responses get 0.5. The two directions of a comparison add to 1 exactly, in one call or in
    two: both are computed from the responses in one fixed order.

    Args:
        model: see `load_preference_model`.
        comparisons: prompt (messages), first response, second response.
        names: a name for each comparison's prompt, for errors.
        batch_tokens: padded tokens of a forward pass.

    Raises:
        InputError: a comparison does not fit into the model's context, or its probability is not
            finite; it is named.
    """
    swapped = [second < first for _, first, second in comparisons]
    orders = [
        [(prompt, *sorted(pair, reverse=reverse)) for prompt, *pair in comparisons]
        for reverse in (False, True)
    ]
    token_ids = tokenize_comparisons(model.tokenizer, orders[0] + orders[1])
    require_fit(token_ids, [*names, *names], read_context_tokens(model.model))
    chances = [math.nan] * len(token_ids)
    for batch in batch_by_length(token_ids, batch_tokens):
        for row, chance in zip(
            batch, _chances_of_a(model, [token_ids[row] for row in batch]), strict=True
        ):
            chances[row] = chance
    probabilities = []
    for index, (_, first, second) in enumerate(comparisons):
        one, other = chances[index], chances[len(comparisons) + index]
        # so written, equal responses give 0.5 whatever the batch did to the last bit
        probability = 0.5 if first == second else 0.5 + (one - other) / 2
        _require_finite(one + other, names[index], model)
        probabilities.append(1 - probability if swapped[index] else probability)
    return Preferences(probabilities, sum(map(len, token_ids)))


def compare_pairs(
    pairs: pl.DataFrame, preference_model: Path, settings: RankingSettings, *, dtype: str
) -> pl.DataFrame:
    """Compare both sides of labelled pairs, to measure a preference model's accuracy.

    Args:
        pairs: pair_id, prompt, chosen, rejected (lists of one message).
        preference_model: folder of a preference model.
        settings: batch_tokens.
        dtype: dtype of the weights.

    Returns:
        pair_id, preference_probability (that chosen is better); in the order of `pairs`.

    Raises:
        InputError: as in `compare_responses`; pairs are named by pair_id.
    """
    model = load_preference_model(preference_model, dtype)
    probabilities: list[float] = []
    for chunk in pairs.iter_slices(COMPARED_AT_ONCE):
        names = chunk["pair_id"].to_list()
        probabilities += compare_responses(
            model, _both_sides(chunk), names, batch_tokens=settings.batch_tokens
        ).probabilities
    return pairs.select(
        "pair_id", pl.Series("preference_probability", probabilities, dtype=pl.Float64)
    )


def split_by_length(
    pairs: pl.DataFrame, preference_model: Path, max_tokens: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split comparisons into those not longer than a preference model was trained on, and others.

    Args:
        pairs: pair_id, prompt, chosen, rejected (lists of one message), and other columns.
        preference_model: folder whose tokenizer counts.
        max_tokens: longest example: the comparison and its label.

    Returns:
        The pairs that fit, and the others as row_key, reason, evidence.
    """
    token_ids = tokenize_comparisons(load_tokenizer(preference_model), _both_sides(pairs))
    tokens = pl.Series("tokens", [len(row) + 1 for row in token_ids], dtype=pl.Int64)
    counted = pairs.with_columns(tokens)
    too_long = pl.col("tokens") > max_tokens
    return counted.filter(~too_long).drop("tokens"), counted.filter(too_long).select(
        row_key="pair_id",
        reason=pl.lit("too_long"),
        evidence=pl.format("{} tokens, at most {}", "tokens", pl.lit(max_tokens)),
    )


def _both_sides(pairs: pl.DataFrame) -> list[Comparison]:
    return [
        (prompt, chosen[-1]["content"], rejected[-1]["content"])
        for prompt, chosen, rejected in pairs.select("prompt", "chosen", "rejected").iter_rows()
    ]


@torch.inference_mode()
def _chances_of_a(model: PreferenceModel, token_ids: list[list[int]]) -> list[float]:
    """Sigmoid of the label logits' difference at the last token of each row, float64."""
    inputs, mask = pad_right(token_ids, model.tokenizer.pad_token_id, model.model.device)
    logits = model.model(input_ids=inputs, attention_mask=mask).logits
    last = logits[torch.arange(len(token_ids)), mask.sum(dim=1) - 1].double()
    return (last[:, 0] - last[:, 1]).sigmoid().tolist()


def _require_finite(value: float, name: str, model: PreferenceModel) -> None:
    if not math.isfinite(value):
        raise InputError(
            f"the preference of prompt {name} is not finite",
            expected="a probability",
            found=str(value),
            remedy=f"look at the weights of {model.folder}, or compare in float32",
        )
