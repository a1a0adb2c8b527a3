"""Rewards of responses and of labelled pairs by a Bradley-Terry reward model.

Not here: the forward pass (`training.models.rewards`), reasons why a row has no reward
(`training.models.unscorable`), accuracy on labelled pairs (`transforms.measures.reward_accuracy`),
training the model (`training.reward_model`), penalties and pairs (`transforms`).
"""

import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import polars as pl
import typer
from accelerate.utils import release_memory
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.models.rendering import extract_texts, load_tokenizer, tokenize_conversations
from training.models.rewards import compute_rewards, load_reward_model
from training.models.token_counts import split_too_long
from training.models.unscorable import (
    Refusal,
    describe_response,
    raise_refusals,
    refuse_rewards,
    refuse_texts,
)
from training.models.weights import get_context_tokens
from training.runs.launch import DtypeOption, SettingsOption, read_settings, run_command
from training.settings.scoring import ScoringSettings
from transforms.pairs.responses import convert_to_pair_rewards, convert_to_responses

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoringRun:
    """Counts of a scoring run; tokens are those of prompts and responses, without padding."""

    responses: int
    empty_responses: int
    tokens: int
    model_start_s: float
    elapsed_s: float


def score(
    responses: pl.DataFrame | Iterable[pl.DataFrame],
    reward_model: Path,
    settings: ScoringSettings,
    *,
    dtype: str,
    commit: Callable[[pl.DataFrame], None],
    description: str = "scores",
) -> ScoringRun:
    """Compute the reward of every response, independent of row order and batches.

    One chunk of rows is in memory at a time. If a row has no reward, the others are still scored
    and committed, then the error is raised. A chunk without any reward ends the run immediately. An
    empty response is a finished turn and gets a reward like any other; empty responses are counted,
    and a warning gives the first one.

    Args:
        responses: prompt_id, response_index, prompt (messages), response; one row per response. A
            frame, or frames that are read one by one, for example from `Lake.batches`.
        reward_model: folder of a causal sequence classifier with one label.
        settings: batch_tokens (padded, per forward pass), chunk_rows (at most, per commit).
        dtype: dtype of the weights; the head always computes in float32.
        commit: called with prompt_id, response_index, reward (unbounded, in nats: a difference of
            two is a log-odds) for every chunk, in input order.
        description: text of the progress bar.

    Raises:
        InputError: the model is not a reward model; or a response is null, does not fit into the
            context with its prompt, or has a reward that is not finite. The message gives the
            number of such rows and the first one.
    """
    tokenizer = load_tokenizer(reward_model, pads=False)  # rows are padded by their lengths
    started = time.perf_counter()
    model = load_reward_model(reward_model, dtype)
    ready, rows, tokens = time.perf_counter(), 0, 0
    refused: list[Refusal] = []
    empty: list[str] = []
    total = responses.height if isinstance(responses, pl.DataFrame) else None
    with tqdm(total=total, desc=description, unit="response", disable=None) as bar:
        for chunk in _split_chunks(responses, settings.chunk_rows):
            empty += [
                describe_response(chunk, row)
                for row, text in enumerate(chunk["response"])
                if text == ""
            ]
            read = read_rewards(model, tokenizer, chunk, settings.batch_tokens, reward_model)
            refused += read.refused
            scored = chunk.select(
                "prompt_id",
                pl.col("response_index").cast(pl.Int32),
                pl.Series("reward", read.rewards, dtype=pl.Float64),
            ).filter(pl.col("reward").is_finite())
            rows += chunk.height
            tokens += read.tokens
            bar.update(chunk.height)
            if scored.is_empty():
                break
            commit(scored)
    elapsed_s = time.perf_counter() - ready
    del model
    release_memory()  # an engine that starts next needs nearly the whole GPU
    if empty:
        LOGGER.warning("empty responses: %d of %d, the first %s", len(empty), rows, empty[0])
    raise_refusals(refused, rows, committed=True)
    return ScoringRun(rows, len(empty), tokens, ready - started, elapsed_s)


class ChunkRewards(NamedTuple):
    """Rewards of a chunk, and the reasons of the rows without one."""

    rewards: list[float]
    """In the order of the rows, unbounded, in nats; NaN for a row without a reward."""
    refused: list[Refusal]
    """Reasons why rows have no reward, in the order of the rows."""
    tokens: int
    """Tokens of all conversations, without padding."""


def score_pairs(
    pairs: pl.DataFrame, reward_model: Path, settings: ScoringSettings, *, dtype: str
) -> pl.DataFrame:
    """Score both sides of labelled pairs, to measure the accuracy of a reward model.

    Args:
        pairs: pair_id, prompt, chosen, rejected (lists of one message).
        reward_model: folder of a sequence classifier with one label.
        settings: batch_tokens and chunk_rows.
        dtype: dtype of the weights.

    Returns:
        pair_id, chosen_reward, rejected_reward; in the order of `pairs`.

    Raises:
        InputError: as in `score`.
    """
    chunks: list[pl.DataFrame] = []
    score(convert_to_responses(pairs), reward_model, settings, dtype=dtype, commit=chunks.append)
    return convert_to_pair_rewards(pairs, chunks)


def split_by_length(
    pairs: pl.DataFrame, reward_model: Path, max_tokens: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split pairs into those that fit the training length of a reward model, and longer ones.

    Args:
        pairs: pair_id, prompt, chosen, rejected (lists of one message), and other columns.
        reward_model: folder of the model; its tokenizer counts.
        max_tokens: maximum tokens of prompt and response.

    Returns:
        The pairs whose two sides fit, and the others (`token_counts.DROPPED`).
    """
    tokenizer = load_tokenizer(reward_model, pads=False)
    sides = [
        tokenize_conversations(tokenizer, pairs["prompt"].to_list(), extract_texts(pairs[name]))
        for name in ("chosen", "rejected")
    ]
    tokens = [max(len(chosen), len(rejected)) for chosen, rejected in zip(*sides, strict=True)]
    counted = pairs.with_columns(tokens=pl.Series(tokens, dtype=pl.Int64))
    read, too_long = split_too_long(counted, "tokens", max_tokens, key="pair_id")
    return read.drop("tokens"), too_long


def read_rewards(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    chunk: pl.DataFrame,
    batch_tokens: int,
    reward_model: Path,
) -> ChunkRewards:
    """Render prompts with their responses, and compute the rewards.

    Args:
        model: from `training.models.rewards.load_reward_model`.
        tokenizer: tokenizer of the reward model.
        chunk: the columns of `responses` in `score`.
        batch_tokens: padded tokens per forward pass.
        reward_model: the model's folder, for error messages.
    """
    token_ids = tokenize_conversations(
        tokenizer, chunk["prompt"].to_list(), chunk["response"].fill_null("").to_list()
    )
    refusals = refuse_texts(chunk, token_ids, get_context_tokens(model.config))
    readable = [row for row in range(chunk.height) if row not in refusals]
    rewards = [math.nan] * chunk.height
    found = compute_rewards(model, [token_ids[row] for row in readable], batch_tokens)
    for row, reward in zip(readable, found, strict=True):
        rewards[row] = reward
    refusals |= refuse_rewards(chunk, rewards, readable, reward_model)
    return ChunkRewards(
        rewards, [refusals[row] for row in sorted(refusals)], sum(map(len, token_ids))
    )


def _split_chunks(
    responses: pl.DataFrame | Iterable[pl.DataFrame], chunk_rows: int
) -> Iterator[pl.DataFrame]:
    frames = [responses] if isinstance(responses, pl.DataFrame) else responses
    for frame in frames:
        if frame.height:
            yield from frame.iter_slices(chunk_rows)


def main(
    reward_model: Annotated[Path, typer.Option(help="Folder of the reward model.")],
    responses: Annotated[
        Path,
        typer.Option(help="Parquet file: prompt_id, response_index, prompt (messages), response."),
    ],
    output: Annotated[Path, typer.Option(help="Parquet file: prompt_id, response_index, reward.")],
    settings_file: SettingsOption = None,
    dtype: DtypeOption = "bfloat16",
) -> None:
    """Score responses with a Bradley-Terry reward model, parquet in and parquet out.

    The last line is JSON: responses, tokens, seconds. Example:

    python -m training.scoring --reward-model models/rm --responses r.parquet --output s.parquet
    """
    settings = read_settings(ScoringSettings, settings_file)
    chunks: list[pl.DataFrame] = []
    run = score(
        pl.read_parquet(responses), reward_model, settings, dtype=dtype, commit=chunks.append
    )
    pl.concat(chunks).write_parquet(output)
    print(json.dumps(asdict(run)))


if __name__ == "__main__":
    run_command(main)
