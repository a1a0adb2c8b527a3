"""Sampling of n responses per prompt from a policy, as a function and as a command.

Source: Dong et al. 2024 (arXiv 2405.07863), section 3.3: n = 8 responses per prompt. Not here: the
engine (`training.engine.sampler`), the processes of replicas (`training.engine.replicas`),
writing rows (the caller's `commit`).
"""

if __name__ == "__main__":  # before the imports below, which take seconds
    from training.runs.command_line.run import run_stage

    run_stage("generation")

import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from training.engine.bfloat16_copy import choose_weights
from training.engine.replicas import StageCommand, merge_runs, run_on_replicas
from training.engine.sampler import GenerationRun, Sampler
from training.engine.vllm_engine import render_prompts, require_context
from training.models.rendering import load_tokenizer
from training.settings.model import ONE_PROCESS, DeviceSettings
from training.settings.sampling import SamplingSettings

COMMAND = StageCommand("training.generation", rows="prompts", key="prompt_id", unit="response")


def generate(
    prompts: pl.DataFrame,
    policy: Path,
    settings: SamplingSettings,
    *,
    seed: int,
    dtype: str,
    commit: Callable[[pl.DataFrame], None],
    devices: DeviceSettings = ONE_PROCESS,
    description: str = "generations",
) -> GenerationRun:
    """Sample from a policy with one `Sampler`, or with one per replica.

    Arguments, rows for `commit` and errors are as in `Sampler.sample`. The seed of replica i is
    `seed + i`, and with replicas `commit` runs in the calling thread.

    Raises:
        InputError: as in `Sampler`, before anything is sampled, also with replicas.
        RuntimeError: a replica failed (`training.engine.replicas.run_on_replicas`).
    """
    if prompts.is_empty():
        return GenerationRun(0, 0, 0, 0.0, 0.0)
    policy = choose_weights(policy, dtype, devices)
    if not devices.in_processes:
        gpus = devices.gpus_per_replica
        with Sampler(policy, settings, seed=seed, dtype=dtype, gpus=gpus) as sampler:
            return sampler.sample(prompts, settings, commit=commit, description=description)
    tokenizer, context_tokens = load_tokenizer(policy, pads=False), settings.max_context_tokens
    require_context(policy, context_tokens)
    render_prompts(tokenizer, prompts, settings, context_tokens=context_tokens)
    started = time.perf_counter()
    runs = run_on_replicas(
        COMMAND,
        prompts.select("prompt_id", "prompt"),
        [
            {"policy": policy, "seed": seed + replica, "dtype": dtype}
            for replica in range(devices.replicas)
        ],
        devices,
        settings=settings,
        commit=commit,
        description=description,
        total=prompts.height * settings.responses_per_prompt,
    )
    return merge_runs(GenerationRun, runs, time.perf_counter() - started)
