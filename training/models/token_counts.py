"""Token counts of prompts and responses, rendered as in training, and rows that do not fit a model.

Also the longest prompt that leaves room for a response.

Not here: rendering (`training.models.rendering`), means and distributions of the counts
(`sql/reports`).
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import polars as pl
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from training.models.comparison_prompts import tokenize_comparisons
from training.models.loading.config import read_context_tokens
from training.models.rendering import (
    RENDERED_AT_ONCE,
    extract_texts,
    load_tokenizer,
    render_end,
    tokenize_conversations,
    tokenize_prompts,
)
from training.settings.loop import PromptRoom
from transforms.errors import InputError
from transforms.lake.enforcement import enforce_schema

DROPPED = pl.Schema({"row_key": pl.String, "reason": pl.String, "evidence": pl.String})
"""One row per example that a model is not trained on, or cannot read."""

EQUAL_SIDES = pl.col("chosen_ids") == pl.col("rejected_ids")
"""Whether both sides of a tokenized pair have the same tokens."""


def count_tokens(
    pairs: Iterable[pl.DataFrame], model: Path, *, tokenizer_id: str, total: int
) -> Iterator[pl.DataFrame]:
    """Count the tokens of preference pairs, frame by frame.

        prompt_tokens = |render(prompt, generation prompt)|
        chosen_tokens = |render(prompt + chosen)| - prompt_tokens; rejected_tokens likewise

    The prompt includes the BOS and the generation prompt; a response includes its end of turn and
    what the template writes after it. Their sum is the length of the example that the reward model
    trains on, which `max_tokens` of a training stage limits; DPO trains up to the end of the turn.
    One frame of pairs is in memory at a time.

    Args:
        pairs: frames with pair_id, source, prompt, chosen, rejected (message lists; the last two
            contain the last turn only).
        model: folder of the model whose tokenizer and chat template are used.
        tokenizer_id: id of that checkpoint, repeated in every row.
        total: rows of all frames, for the progress bar.

    Yields:
        Rows of `preference_tokens`, one row per pair, in the order of the pairs; at most
        `RENDERED_AT_ONCE` rows per frame.

    Raises:
        InputError: the folder is not a complete model with a chat template.
    """
    tokenizer = load_tokenizer(model)
    tokenizer.model_max_length = sys.maxsize  # no warning about long rows: they are only counted
    with tqdm(total=total, desc="preference_tokens", unit="pair", disable=None) as bar:
        for frame in pairs:
            # Token ids as Python lists take about ten times the memory of their text.
            for rows in frame.iter_slices(RENDERED_AT_ONCE):
                counts = _count(tokenizer, rows).with_columns(tokenizer_id=pl.lit(tokenizer_id))
                yield enforce_schema("preference_tokens", counts)
                bar.update(rows.height)


def split_too_long(
    rows: pl.DataFrame, tokens: str, max_tokens: int, *, key: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split rows into those that fit and those that are too long.

    Args:
        rows: rows with the columns `tokens` and `key`.
        tokens: column with the number of tokens.
        max_tokens: maximum tokens of a row that fits.
        key: column that identifies a row.

    Returns:
        The rows that fit, and one row of `DROPPED` for each other row; both in the order of `rows`.
    """
    too_long = pl.col(tokens) > max_tokens
    dropped = rows.filter(too_long).select(
        row_key=pl.col(key).cast(pl.String),
        reason=pl.lit("too_long"),
        evidence=pl.format("{} tokens, at most {}", tokens, pl.lit(max_tokens)),
    )
    return rows.filter(~too_long), dropped


def split_equal_tokens(
    rows: pl.DataFrame, equal: pl.Expr, *, key: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split pairs into those whose sides differ in their tokens, and the others.

    Two texts that differ only in what the chat template trims, or only in unknown words, have the
    same tokens: a model cannot prefer one of them.

    Args:
        rows: pairs with the columns of `equal`, `length` (tokens) and `key`.
        equal: whether both sides of a pair have the same tokens.
        key: column that identifies a pair.

    Returns:
        The pairs whose sides differ, and one row of `DROPPED` for each other pair; both in the
        order of `rows`.
    """
    dropped = rows.filter(equal).select(
        row_key=pl.col(key).cast(pl.String),
        reason=pl.lit("equal_tokens"),
        evidence=pl.format("the same {} tokens for chosen and rejected", "length"),
    )
    return rows.filter(~equal), dropped


def count_prompt_tokens(
    wanted: pl.DataFrame, read: Callable[[], Iterable[pl.DataFrame]], model: Path
) -> pl.Series:
    """Count the tokens of rendered prompts, with the generation prompt, in the order of the rows.

    Args:
        wanted: prompt_id of the prompts.
        read: returns all prompts (prompt_id, prompt) frame by frame; one is in memory at a time.
        model: folder of the model whose tokenizer and chat template are used.

    Raises:
        InputError: the template refuses a prompt; the message gives its id.
    """
    tokenizer = load_tokenizer(model, pads=False)
    tokenizer.model_max_length = sys.maxsize  # no warning about long prompts: they are dropped
    counted = [pl.DataFrame(schema={"prompt_id": pl.String, "tokens": pl.Int64})]
    for frame in read():
        found = frame.join(wanted, on="prompt_id", how="semi")
        for rows in found.iter_slices(RENDERED_AT_ONCE):
            tokens = list(map(len, tokenize_prompts(tokenizer, rows["prompt"].to_list())))
            counted.append(rows.select("prompt_id", tokens=pl.Series(tokens, dtype=pl.Int64)))
    known = pl.concat(counted)
    return wanted.select("prompt_id").join(
        known, on="prompt_id", how="left", maintain_order="left"
    )["tokens"]


def find_prompt_limit(model: Path, room: PromptRoom) -> int:
    """Return the largest number of tokens of a prompt that every sampling and ranker can use.

        prompt <= max_context_tokens - max_tokens
        prompt + max_tokens + what the chat template writes after a response <= context
        prompt + 2 max_tokens + what a comparison adds <= context, if a preference model ranks

    The context is that of the initial model, which policies and trained rankers share.

    Args:
        model: folder of the initial model.
        room: what a prompt must leave room for.

    Raises:
        InputError: no prompt leaves room.
    """
    tokenizer, context = load_tokenizer(model, pads=False), read_context_tokens(model)
    prompt = [{"role": "user", "content": "a"}]
    (alone,) = tokenize_prompts(tokenizer, [prompt])
    (compared,) = tokenize_comparisons(tokenizer, [(prompt, "", "")])
    end, marks = len(render_end(tokenizer)), len(compared) - len(alone)
    limits = [room.prompt_tokens, context - room.response_tokens - end]
    if room.compared_tokens:
        limits.append(context - room.compared_tokens - marks)
    if min(limits) < 1:
        raise InputError(
            "no prompt leaves room for a response in the model's context",
            expected=f"a prompt and what is read with it in {context} tokens",
            found=f"responses of {room.response_tokens} tokens"
            + (", two of them in a comparison" if room.compared_tokens else ""),
            remedy="lower sampling.max_tokens, or use a model with more context",
        )
    return min(limits)


def _count(tokenizer: PreTrainedTokenizerBase, pairs: pl.DataFrame) -> pl.DataFrame:
    """Count the tokens of one frame: pair_id, source and the three counts."""
    prompts = pairs["prompt"].to_list()
    prompt_tokens = list(map(len, tokenize_prompts(tokenizer, prompts)))
    counts = {"prompt_tokens": prompt_tokens}
    for side in ("chosen", "rejected"):
        whole = tokenize_conversations(tokenizer, prompts, extract_texts(pairs[side]))
        counts[f"{side}_tokens"] = [
            len(token_ids) - before for token_ids, before in zip(whole, prompt_tokens, strict=True)
        ]
    return pairs.select(
        "pair_id",
        "source",
        *(pl.Series(name, tokens, dtype=pl.Int32) for name, tokens in counts.items()),
    )
