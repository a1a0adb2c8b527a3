"""Rewards of responses and of labelled pairs by a Bradley-Terry reward model.

Not here: the forward pass (`training.models.rewards`), vLLM (`training.engine.pooling`), reasons
why a row has no reward (`training.models.unscorable`), accuracy on labelled pairs
(`transforms.measures.reward_accuracy`), training the model (`training.reward_model`), penalties and
pairs (`transforms`).
"""

if __name__ == "__main__":  # before the imports below, which take seconds
    from training.runs.command_line.run import run_stage

    run_stage("scoring")

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl
from tqdm import tqdm

from training.engine.pooling import PoolingEngine
from training.engine.replicas import StageCommand, merge_runs, run_on_replicas
from training.models.rendering import extract_texts, load_tokenizer, tokenize_conversations
from training.models.rewards import ForwardEngine, RewardEngine, read_rewards
from training.models.token_counts import split_too_long
from training.models.unscorable import Refusal, describe_response, raise_refusals
from training.settings.model import ONE_PROCESS, DeviceSettings
from training.settings.scoring import ScoringSettings
from transforms.pairs.responses import convert_to_pair_rewards, convert_to_responses

LOGGER = logging.getLogger(__name__)

COMMAND = StageCommand("training.scoring", rows="responses", key="prompt_id", unit="response")

ENGINES: Mapping[str, type[RewardEngine]] = {"transformers": ForwardEngine, "vllm": PoolingEngine}
"""What computes rewards, by the setting `engine`."""


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
    devices: DeviceSettings = ONE_PROCESS,
    description: str = "scores",
) -> ScoringRun:
    """Compute the reward of every response, independent of row order, batches, replicas, engine.

    One chunk of rows is in memory at a time. If a row has no reward, the others are still scored
    and committed, then the error is raised. A chunk without any reward ends the run immediately. An
    empty response is a finished turn and gets a reward like any other; empty responses are counted,
    and a warning gives the first one.

    Args:
        responses: prompt_id, response_index, prompt (messages), response; one row per response. A
            frame, or frames that are read one by one, for example from `Lake.read_frames`.
        reward_model: folder of a causal sequence classifier with one label.
        settings: engine, batch_tokens (per forward pass), chunk_rows (at most, per commit).
        dtype: dtype of the weights; the head always computes in float32.
        commit: called with prompt_id, response_index, reward (unbounded, in nats: a difference of
            two is a log-odds) for every chunk, in input order; with replicas, in order of
            completion.
        devices: replicas of the model, and GPUs of each.
        description: text of the progress bar.

    Raises:
        InputError: the model is not a reward model, or the engine cannot load it; or a response is
            null, does not fit into the context with its prompt, or has a reward that is not finite.
            The message gives the number of such rows and the first one. Or there are too few GPUs.
        RuntimeError: a replica failed (`training.engine.replicas.run_on_replicas`).
    """
    total = responses.height if isinstance(responses, pl.DataFrame) else None
    started = time.perf_counter()
    if devices.in_processes:
        runs = run_on_replicas(
            COMMAND,
            responses,
            [{"reward_model": reward_model, "dtype": dtype}] * devices.replicas,
            devices,
            settings=settings,
            commit=commit,
            description=description,
            total=total,
        )
        run = merge_runs(ScoringRun, runs, time.perf_counter() - started)
        if run.empty_responses:
            LOGGER.warning("empty responses: %d of %d", run.empty_responses, run.responses)
        return run
    tokenizer = load_tokenizer(reward_model, pads=False)  # rows are padded by their lengths
    rows, tokens = 0, 0
    refused: list[Refusal] = []
    empty: list[str] = []
    load = partial(ENGINES[settings.engine], reward_model, settings, dtype=dtype)
    with (
        closing(load(gpus=devices.gpus_per_replica)) as engine,
        tqdm(total=total, desc=description, unit="response", disable=None) as bar,
    ):
        ready = time.perf_counter()
        for chunk in _split_chunks(responses, settings.chunk_rows):
            empty += [
                describe_response(chunk, row)
                for row, text in enumerate(chunk["response"])
                if text == ""
            ]
            read = read_rewards(engine, tokenizer, chunk, reward_model)
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
    if empty:
        LOGGER.warning("empty responses: %d of %d, the first %s", len(empty), rows, empty[0])
    raise_refusals(refused, rows, committed=True)
    return ScoringRun(rows, len(empty), tokens, ready - started, elapsed_s)


def score_pairs(
    pairs: pl.DataFrame,
    reward_model: Path,
    settings: ScoringSettings,
    *,
    dtype: str,
    devices: DeviceSettings = ONE_PROCESS,
) -> pl.DataFrame:
    """Score both sides of labelled pairs, to measure the accuracy of a reward model.

    Args:
        pairs: pair_id, prompt, chosen, rejected (lists of one message).
        reward_model: folder of a sequence classifier with one label.
        settings: batch_tokens and chunk_rows.
        dtype: dtype of the weights.
        devices: replicas of the model, and GPUs of each.

    Returns:
        pair_id, chosen_reward, rejected_reward; in the order of `pairs`.

    Raises:
        InputError, RuntimeError: as in `score`.
    """
    chunks: list[pl.DataFrame] = []
    score(
        convert_to_responses(pairs),
        reward_model,
        settings,
        dtype=dtype,
        commit=chunks.append,
        devices=devices,
    )
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


def _split_chunks(
    responses: pl.DataFrame | Iterable[pl.DataFrame], chunk_rows: int
) -> Iterator[pl.DataFrame]:
    frames = [responses] if isinstance(responses, pl.DataFrame) else responses
    for frame in frames:
        if frame.height:
            yield from frame.iter_slices(chunk_rows)
