"""Rewards of the n responses to each prompt, from comparisons by a preference model.

The published code mentions a tournament for its preference model but does not contain one; the
paper's loop ranks only with the Bradley-Terry model (section 3.3). Not here: rounds of comparisons
(`training.engine.comparison_rounds`), the model (`training.models.preference_forward`).
"""

if __name__ == "__main__":  # before the imports below, which take seconds
    from training.runs.command_line.run import run_stage

    run_stage("ranking")

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl
from accelerate.utils import release_memory

from training.engine.comparison_rounds import rank_by
from training.engine.replicas import StageCommand, merge_runs, run_on_replicas
from training.models.preference_forward import compare_responses, load_preference_model
from training.settings.model import ONE_PROCESS, DeviceSettings
from training.settings.scoring import RankingSettings
from transforms.pairs.responses import convert_to_pair_rewards, convert_to_responses

COMMAND = StageCommand("training.ranking", rows="responses", key="prompt_id", unit="response")


@dataclass(frozen=True)
class RankingRun:
    """Counts of a ranking run; a comparison in both orders is counted once."""

    responses: int
    comparisons: int
    tokens: int
    model_start_s: float
    elapsed_s: float


def rank(
    responses: pl.DataFrame,
    preference_model: Path,
    settings: RankingSettings,
    *,
    dtype: str,
    commit: Callable[[pl.DataFrame], None],
    devices: DeviceSettings = ONE_PROCESS,
    description: str = "scores",
) -> RankingRun:
    """Rank the responses of every prompt; rewards do not depend on order, batches or replicas.

    If a prompt cannot be ranked, the others are still ranked and committed, then the error is
    raised. A chunk without any reward ends the run immediately.

    Args:
        responses: prompt_id, response_index, prompt (messages), response; one row per response.
        preference_model: folder of a preference model.
        settings: method, batch_tokens (padded, per forward pass), chunk_prompts (per commit).
        dtype: dtype of the weights; the head always computes in float32.
        commit: called with prompt_id, response_index, reward (a probability,
            `transforms.pairs.tournaments.compute_rewards`) for every chunk_prompts prompts; prompts
            in the order of their first row (with replicas, in order of completion), the responses
            of each by index.
        devices: replicas of the model, and GPUs of each.
        description: text of the progress bar.

    Raises:
        InputError: the model is not a preference model; or a comparison does not fit into its
            context, a probability is not finite, or a response is null or occurs twice. The message
            gives the number of such prompts and the first one. Or there are too few GPUs.
        RuntimeError: a replica failed (`training.engine.replicas.run_on_replicas`).
    """
    started = time.perf_counter()
    if devices.in_processes:
        runs = run_on_replicas(
            COMMAND,
            responses.select("prompt_id", "response_index", "prompt", "response"),
            [{"preference_model": preference_model, "dtype": dtype}] * devices.replicas,
            devices,
            settings=settings,
            commit=commit,
            description=description,
            total=responses.height,
        )
        return merge_runs(RankingRun, runs, time.perf_counter() - started)
    model = load_preference_model(preference_model, dtype, gpus=devices.gpus_per_replica)
    ready = time.perf_counter()

    compare = partial(compare_responses, model, batch_tokens=settings.batch_tokens)
    compared, tokens = rank_by(compare, responses, settings, commit=commit, description=description)
    elapsed_s = time.perf_counter() - ready
    del model, compare
    release_memory()  # an engine that starts next needs nearly the whole GPU
    return RankingRun(responses.height, compared, tokens, ready - started, elapsed_s)


def rank_pairs(
    pairs: pl.DataFrame,
    preference_model: Path,
    settings: RankingSettings,
    *,
    dtype: str,
    devices: DeviceSettings = ONE_PROCESS,
) -> pl.DataFrame:
    """Compare both sides of labelled pairs, to measure the accuracy of a preference model.

    Args:
        pairs: pair_id, prompt, chosen, rejected (lists of one message).
        preference_model: folder of a preference model.
        settings: batch_tokens and chunk_prompts.
        dtype: dtype of the weights.
        devices: replicas of the model, and GPUs of each.

    Returns:
        pair_id, chosen_reward, rejected_reward (probability that the side is better); in the order
        of `pairs`.

    Raises:
        InputError, RuntimeError: as in `rank`; the message gives the pair_id.
    """
    chunks: list[pl.DataFrame] = []
    both_sides = settings.model_copy(update={"method": "round_robin"})
    responses = convert_to_responses(pairs)
    rank(
        responses, preference_model, both_sides, dtype=dtype, commit=chunks.append, devices=devices
    )
    return convert_to_pair_rewards(pairs, chunks)
