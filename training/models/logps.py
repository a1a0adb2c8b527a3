"""Log-probabilities of whole responses under a policy: sums over the tokens of a response.

Not here: the KL estimate from two such sums (`transforms.measures`), the stored log-probabilities
of the reference (`training.reference_logps`).
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import torch
from accelerate.utils import release_memory
from transformers import PreTrainedModel

from training.models.batches import batch_by_length, pad_right, require_fit
from training.models.control_tokens import tokenize_texts
from training.models.end_of_turn import find_end_of_turn
from training.models.rendering import load_tokenizer, tokenize_prompts
from training.models.weights import get_context_tokens, load_causal_model

ROWS_AT_ONCE = 4096
"""Rows that are tokenized in one call and then grouped by length."""


def compute_sequence_logps(
    responses: pl.DataFrame, model: Path, *, batch_tokens: int, dtype: str
) -> pl.Series:
    """Sum the log-probabilities of every response's tokens, in nats.

        logp(y | x) = sum over t = 1..|y| of log p(y_t | x, y_1..y_{t-1})

    x is the rendered prompt with the generation prompt. y is the tokenized response and, unless
    finish_reason is `length`, the end-of-turn token: the tokens that were sampled, without tokens
    that a template may write after them. log_softmax is float32 for every dtype. Temperature and
    top_p have no influence.

    Args:
        responses: prompt (messages), response, finish_reason; one row per response.
        model: folder of a causal language model.
        batch_tokens: padded tokens per forward pass.
        dtype: dtype of the weights.

    Returns:
        `logp`, Float64, in input order.

    Raises:
        InputError: there is no chat template, or it never ends a turn; or a row is longer than the
            model's context (the message gives its number).
    """
    tokenizer = load_tokenizer(model)
    end_of_turn = find_end_of_turn(tokenizer, model)
    policy = load_causal_model(model, dtype).eval()
    policy.to("cuda" if torch.cuda.is_available() else "cpu")
    logps: list[float] = []
    for chunk in responses.iter_slices(ROWS_AT_ONCE):
        prompts = tokenize_prompts(tokenizer, chunk["prompt"].to_list())
        answers = tokenize_texts(tokenizer, chunk["response"].to_list())
        rows = [
            prompt + answer + ([] if reason == "length" else [end_of_turn])
            for prompt, answer, reason in zip(prompts, answers, chunk["finish_reason"], strict=True)
        ]
        names = [f"of row {len(logps) + row}" for row in range(chunk.height)]
        require_fit(rows, names, get_context_tokens(policy.config))
        sums = dict(sum_logps(policy, rows, list(map(len, prompts)), batch_tokens))
        logps += [sums[row] for row in range(chunk.height)]
    del policy
    release_memory()  # an engine that starts next needs nearly the whole GPU
    return pl.Series("logp", logps, dtype=pl.Float64)


@torch.inference_mode()
def sum_logps(
    policy: PreTrainedModel, rows: list[list[int]], starts: list[int], batch_tokens: int
) -> Iterator[tuple[int, float]]:
    """Yield each row number and the summed log-probability of rows[row][starts[row]:], in nats."""
    for batch in batch_by_length(rows, batch_tokens):
        # Causal attention never reads padding on the right, so any token id works.
        inputs, mask = pad_right([rows[row] for row in batch], 0, policy.device)
        logits = policy(input_ids=inputs, attention_mask=mask).logits
        for position, row in enumerate(batch):
            # The logits at t - 1 predict token t. One row at a time: float32 is twice bfloat16.
            start, end = starts[row], len(rows[row])
            predictions = logits[position, start - 1 : end - 1].float().log_softmax(dim=-1)
            tokens = inputs[position, start:end, None]
            yield row, predictions.gather(-1, tokens).sum(dtype=torch.float64).item()
