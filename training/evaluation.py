"""Evaluation of one policy on held-out prompts: responses, their rewards and log-probabilities.

They are the rows of the table `evaluation_responses`. Responses are sampled at temperature 1, so
that the mean of their `kl_to_initial` estimates KL(π || π₀) (paper, eq. 2), which is never
negative (`training.models.logps`). Not here: statistics (`transforms.measures.evaluation`).
"""

if __name__ == "__main__":  # before the imports below, which take seconds
    from training.runs.command_line.run import run_stage

    run_stage("evaluation")

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from training.engine.bfloat16_copy import choose_weights
from training.engine.chunk_folder import ChunkFolder, compute_missing
from training.engine.replicas import StageCommand, run_on_replicas
from training.engine.sampler import Sampler
from training.engine.sequence_logps import compute_response_logps
from training.scoring import score
from training.settings.evaluation import EvaluationSettings
from training.settings.loop import LoopSettings
from training.settings.model import ONE_PROCESS, DeviceSettings
from training.settings.sampling import SamplingSettings
from training.settings.scoring import ScoringSettings
from transforms.lake.schemas.evaluation import DECODINGS

COMMAND = StageCommand("training.evaluation", rows="prompts", key="prompt_id", unit="response")

GoldReward = Callable[[str, str], float]
"""(last user turn, response) -> gold reward."""

OpenChunks = Callable[[str], ChunkFolder | None]
"""Opens the folder that keeps the results of a part of an interrupted evaluation, by its name; None
keeps none."""

ScoreResponses = Callable[[pl.DataFrame, OpenChunks], pl.Series]
"""Returns the rewards of responses in the order of the rows: prompt_id, decoding, response_index,
prompt, reference, response."""


def evaluate(
    policy: Path,
    reference: Path,
    score_responses: ScoreResponses,
    prompts: pl.DataFrame,
    loop: LoopSettings,
    settings: EvaluationSettings,
    *,
    seed: int,
    dtype: str,
    gold: GoldReward | None,
    work: Path,
    devices: DeviceSettings = ONE_PROCESS,
    description: str = "evaluation",
) -> pl.DataFrame:
    """Sample responses to held-out prompts, at temperature 1 and greedily, and measure each.

    Responses, rewards and log-probabilities are committed in chunks to folders in `work`. After a
    crash, the same call computes what is missing.

    Args:
        policy: folder of the policy.
        reference: folder of π₀.
        score_responses: computes the rewards.
        prompts: prompt_id, prompt, reference, split; one row per prompt.
        loop: token limits of responses, batch sizes.
        settings: number of samples, batch size and dtype of log-probabilities.
        seed: seed of the sampling engine; equal for all policies, so that only weights differ.
        dtype: compute type of sampling.
        gold: the gold reward, if the prompts have one.
        work: folder of the chunks. The caller removes it when the rows are stored, and gives an
            empty one if any other argument, except `devices`, changes.
        devices: replicas of each model, and GPUs of each.
        description: text of the progress bar.

    Returns:
        One row per response, sorted by decoding, prompt_id, response_index: the columns of
        `evaluation_responses` without experiment, iteration, model and policy_id.
    """
    plain = {"samplers": (), "adaptive": None, "n": settings.samples, "temperature": 1.0}
    sampling = loop.sampling.model_copy(update={**plain, "top_p": 1.0})

    def open_chunks(part: str) -> ChunkFolder:
        folder = ChunkFolder(work / part)
        folder.claim({"seed": seed, "dtype": dtype})
        return folder

    sampled = compute_missing(
        prompts.select("prompt_id", "prompt").join(
            pl.DataFrame({"decoding": DECODINGS}), how="cross", maintain_order="left_right"
        ),
        ["prompt_id", "decoding"],
        lambda missing, commit: sample_decodings(
            missing,
            policy,
            sampling,
            seed=seed,
            dtype=dtype,
            commit=commit,
            devices=devices,
            description=description,
        ),
        open_chunks("responses"),
    )
    rows = sampled.join(prompts, on="prompt_id").sort("decoding", "prompt_id", "response_index")
    rewards = score_responses(rows, open_chunks)
    logps = compute_response_logps(
        rows,
        policy,
        batch_tokens=settings.logps_batch_tokens,
        dtype=settings.logps_dtype,
        devices=devices,
        chunks=open_chunks("logps"),
        description=f"{description}: log-probabilities",
        reference=reference,
    ).rename({"logp": "policy_logp", "kl": "kl_to_initial"})
    golds = _compute_gold_rewards(rows, gold)
    return rows.with_columns(reward=rewards, gold_reward=golds, **logps.to_dict())


def sample_decodings(
    prompts: pl.DataFrame,
    policy: Path,
    settings: SamplingSettings,
    *,
    seed: int,
    dtype: str,
    commit: Callable[[pl.DataFrame], None],
    devices: DeviceSettings = ONE_PROCESS,
    description: str = "evaluation",
) -> None:
    """Sample n responses to some prompts, then a greedy one to some, with the same engine.

    Args:
        prompts: prompt_id, prompt, decoding (`DECODINGS`); one row per prompt and decoding.
        policy: folder of the policy.
        settings: how the sampled ones are drawn; the greedy ones differ in n and temperature.
        seed: seed of the engine; replica i adds i.
        dtype: compute type.
        commit: called with the rows of `Sampler.sample` and the column decoding.
        devices: replicas of the engine, and GPUs of each.
        description: text of the progress bar.

    Raises:
        InputError: as in `Sampler`, or there are too few GPUs.
        RuntimeError: a replica failed (`training.engine.replicas.run_on_replicas`).
    """
    settings_of = {
        "sampled": settings,
        "greedy": settings.model_copy(update={"n": 1, "temperature": 0.0}),
    }
    asked = {decoding: prompts.filter(decoding=decoding) for decoding in DECODINGS}
    policy = choose_weights(policy, dtype, devices)
    if devices.in_processes:
        run_on_replicas(
            COMMAND,
            prompts,
            [
                {"policy": policy, "seed": seed + replica, "dtype": dtype}
                for replica in range(devices.replicas)
            ],
            devices,
            settings=settings,
            commit=commit,
            description=description,
            total=sum(asked[decoding].height * settings_of[decoding].n for decoding in DECODINGS),
        )
        return
    gpus = devices.gpus_per_replica
    with Sampler(policy, settings, seed=seed, dtype=dtype, gpus=gpus) as sampler:
        for decoding in DECODINGS:
            sampler.sample(
                asked[decoding].select("prompt_id", "prompt"),
                settings_of[decoding],
                commit=partial(_name_and_commit, commit, decoding),
                description=f"{description}: {decoding}",
            )


def _name_and_commit(
    commit: Callable[[pl.DataFrame], None], decoding: str, rows: pl.DataFrame
) -> None:
    commit(rows.with_columns(decoding=pl.lit(decoding)))


def score_rows(
    rows: pl.DataFrame,
    reward_model: Path,
    settings: ScoringSettings,
    *,
    dtype: str,
    devices: DeviceSettings = ONE_PROCESS,
    chunks: ChunkFolder | None = None,
) -> pl.Series:
    """Score rows of prompt and response; return their rewards in the order of the rows.

    Args:
        rows: prompt (messages), response; one row per response.
        reward_model: folder of the reward model.
        settings: batch_tokens and chunk_rows.
        dtype: dtype of the weights.
        devices: replicas of the model, and GPUs of each.
        chunks: folder that keeps the rewards of an interrupted call with the same arguments.

    Raises:
        InputError, RuntimeError: as in `training.scoring.score`; the message has the row number as
            prompt_id.
    """
    # The row number is the key here, because prompt_id and response_index are not unique.
    rows = rows.select("prompt", "response").with_row_index("row")
    scored = compute_missing(
        rows.select(
            "prompt",
            "response",
            prompt_id=pl.col("row").cast(pl.String),
            response_index=pl.lit(0, dtype=pl.Int32),
        ),
        ["prompt_id"],
        lambda missing, commit: score(
            missing,
            reward_model,
            settings,
            dtype=dtype,
            commit=commit,
            devices=devices,
            description="evaluation: rewards",
        ),
        chunks,
    )
    rewards = scored.with_columns(row=pl.col("prompt_id").cast(pl.UInt32))
    return rows.select("row").join(rewards, on="row", maintain_order="left")["reward"]


def rank_decodings(
    rows: pl.DataFrame,
    rank: Callable[[pl.DataFrame, Callable[[pl.DataFrame], Any]], Any],
    chunks: ChunkFolder | None,
) -> pl.Series:
    """Rank the responses of each decoding, among which a prompt_id with an index is unique.

    Args:
        rows: those of `ScoreResponses`.
        rank: is called with rows, and with a function that it calls with prompt_id, response_index,
            reward, chunk by chunk.
        chunks: folder that keeps the rewards of an interrupted call with the same arguments.

    Returns:
        Rewards in the order of the rows.
    """
    key = ["decoding", "prompt_id", "response_index"]

    def compute(missing: pl.DataFrame, commit: Callable[[pl.DataFrame], None]) -> None:
        for part in missing.partition_by("decoding", maintain_order=True):
            rank(part, partial(_name_and_commit, commit, part["decoding"][0]))

    ranked = compute_missing(rows, key, compute, chunks)
    return rows.select(key).join(ranked, on=key, how="left", maintain_order="left")["reward"]


def _compute_gold_rewards(rows: pl.DataFrame, gold: GoldReward | None) -> pl.Series:
    if gold is None:
        return pl.Series([None] * rows.height, dtype=pl.Float64)
    questions = (prompt[-1]["content"] for prompt in rows["prompt"].to_list())
    answers = rows["response"].to_list()
    return pl.Series(
        [gold(question, answer) for question, answer in zip(questions, answers, strict=True)],
        dtype=pl.Float64,
    )
