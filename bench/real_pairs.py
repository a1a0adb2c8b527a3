"""Real prompts, and preference pairs as token ids: HH-RLHF, UltraFeedback, Tulu 2.

Not here: what is measured on them.
"""

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import torch
from transformers.trainer_pt_utils import get_length_grouped_indices

from training.models.rendering import load_tokenizer
from training.models.token_ids import tokenize_responses

TURN = "\n\nAssistant:"
MAX_PROMPT_CHARS = 600
"""Longest prompt of `read_prompts`."""


def read_hh_rlhf(data: Path) -> Iterator[tuple[str, str, str]]:
    """Read HH-RLHF: the last turns are the responses."""
    for row in read_lines(data / "hh-rlhf/helpful-base_test.jsonl.gz"):
        chosen, rejected = (row[side].rpartition(TURN) for side in ("chosen", "rejected"))
        if chosen[0] == rejected[0]:
            yield chosen[0].strip(), chosen[2].strip(), rejected[2].strip()


def read_ultrafeedback(data: Path) -> Iterator[tuple[str, str, str]]:
    """Read UltraFeedback, binarized."""
    for row in read_lines(data / "ultrafeedback/train_1000.jsonl.gz"):
        yield row["prompt"], row["chosen"], row["rejected"]


def read_best_worst(data: Path) -> Iterator[tuple[str, str, str]]:
    """Read the best and the worst of 8 sampled responses, cut to 100 to 300 words."""
    dice = random.Random(0)
    for row in read_lines(data / "n_responses/tulu2_dpo13b_n16_alpacaeval_400.jsonl.gz"):
        scores = row["gpt4turbo_preference_vs_reference"][:8]
        known = [number for number, score in enumerate(scores) if score is not None]
        if len(known) > 1:
            sides = (max(known, key=scores.__getitem__), min(known, key=scores.__getitem__))
            texts = (
                row["responses"][number].split(" ")[: dice.randint(100, 300)] for number in sides
            )
            yield row["instruction"], *(" ".join(words) for words in texts)


READERS = {
    "hh_rlhf": read_hh_rlhf,
    "ultrafeedback": read_ultrafeedback,
    "best_worst": read_best_worst,
}


def read_prompts(data: Path, count: int) -> list[str]:
    """Read a random part of UltraFeedback's prompts that are not too long."""
    texts = {prompt.strip(): None for prompt, *_ in read_ultrafeedback(data)}
    return random.Random(0).sample([one for one in texts if len(one) <= MAX_PROMPT_CHARS], count)


def read_lines(file: Path) -> Iterator[dict[str, Any]]:
    """Read JSON lines."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def select_pairs(
    model: Path,
    source: str,
    data: Path,
    *,
    pairs: int,
    micro_batch_size: int,
    order: str,
    max_tokens: int,
) -> pl.DataFrame:
    """Select pairs with their token ids, in the order of a training.

    Args:
        model: folder of the tokenizer.
        source: a name in `READERS`.
        data: folder of the real data.
        pairs: number of pairs.
        micro_batch_size: pairs of similar length that stand together in a grouped order.
        order: `random` or `grouped`, as transformers groups by length.
        max_tokens: longest prompt with response.

    Returns:
        prompt_id, prompt, chosen, rejected (message lists), and the columns of
        `tokenize_responses`.
    """
    kept = [row for row in READERS[source](data) if all(row) and row[1] != row[2]]
    roles = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
    columns = {
        name: [[{"role": role, "content": text}] for text in texts]
        for (name, role), texts in zip(roles.items(), zip(*kept, strict=True), strict=True)
    }
    every = pl.DataFrame({"prompt_id": [f"{i:05}" for i in range(len(kept))], **columns})
    tokens = tokenize_responses(load_tokenizer(model), every).drop("prompt_id")
    fitting = pl.concat([every, tokens], how="horizontal").filter(pl.col("length") <= max_tokens)
    chosen = fitting.sample(pairs, seed=1, shuffle=True)
    if order == "random":
        return chosen
    seeded = torch.Generator().manual_seed(0)
    return chosen[
        get_length_grouped_indices(chosen["length"].to_list(), micro_batch_size, generator=seeded)
    ]
