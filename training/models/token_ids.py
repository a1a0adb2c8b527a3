"""Token ids of prompts and responses: the rows that DPO, KTO and RAFT train on.

Not here: the reference's log-probabilities (`training.reference_logps`).
"""

from collections.abc import Sequence

import polars as pl
from transformers import PreTrainedTokenizerBase

from training.models.end_of_turn import count_after_end
from training.models.rendering import (
    TOKEN_IDS,
    extract_texts,
    tokenize_conversations,
    tokenize_prompts,
)
from transforms.errors import InputError
from transforms.lake.records.reference_logps import SIDES


def tokenize_responses(
    tokenizer: PreTrainedTokenizerBase, pairs: pl.DataFrame, sides: Sequence[str] = SIDES
) -> pl.DataFrame:
    """Tokenize prompts and responses.

    Args:
        tokenizer: a tokenizer with a chat template.
        pairs: prompt_id, prompt, and each of `sides` (message lists; a side is one message).
        sides: columns of responses.

    Returns:
        prompt_id, prompt_ids (with the generation prompt, as in sampling), `<side>_ids` of each
        side (with the token that ends a turn, without what the template writes after it), length
        (tokens of the prompt and its longest response).

    Raises:
        InputError: a rendered conversation does not begin with its rendered prompt.
    """
    prompts, after = pairs["prompt"].to_list(), count_after_end(tokenizer)
    prompt_ids = tokenize_prompts(tokenizer, prompts)
    responses: dict[str, list[list[int]]] = {}
    for side in sides:
        whole = tokenize_conversations(tokenizer, prompts, extract_texts(pairs[side]))
        for key, prompt, ids in zip(pairs["prompt_id"], prompt_ids, whole, strict=True):
            if ids[: len(prompt)] != prompt:
                raise InputError(
                    f"the chat template renders the prompt {key} in two ways",
                    expected=f"the {side} conversation to begin with {tokenizer.decode(prompt)!r}",
                    found=repr(tokenizer.decode(ids[: len(prompt)])),
                    remedy="use a template that does not change earlier turns",
                )
        responses[side] = [
            ids[len(p) : len(ids) - after] for p, ids in zip(prompt_ids, whole, strict=True)
        ]
    return pairs.select(
        "prompt_id",
        pl.Series("prompt_ids", prompt_ids, TOKEN_IDS),
        *(pl.Series(f"{side}_ids", ids, TOKEN_IDS) for side, ids in responses.items()),
    ).with_columns(
        (
            pl.col("prompt_ids").list.len()
            + pl.max_horizontal(pl.col(f"{side}_ids").list.len() for side in sides)
        ).alias("length")
    )
