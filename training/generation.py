"""Sampling of n responses per prompt from a policy, as a function and as a command.

Source: Dong et al. 2024 (arXiv 2405.07863), section 3.3: n = 8 responses per prompt. Not here: the
engine (`training.engine.sampler`), several engines (`training.engine.replicas`), writing rows (the
caller's `commit`).
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from training.engine.chunk_folder import ChunkFolder, select_shard
from training.engine.replicas import generate_with_replicas
from training.engine.sampler import GenerationRun, Sampler
from training.runs.launch import DtypeOption, SettingsOption, read_settings, run_command
from training.settings.sampling import SamplingSettings


def generate(
    prompts: pl.DataFrame,
    policy: Path,
    settings: SamplingSettings,
    *,
    seed: int,
    dtype: str,
    commit: Callable[[pl.DataFrame], None],
    description: str = "generations",
) -> GenerationRun:
    """Sample from a policy with one `Sampler`, or with `settings.replicas` processes.

    Arguments, rows for `commit` and errors are as in `Sampler.sample`. The seed of replica i is
    `seed + i`, and with replicas `commit` runs in the calling thread.
    """
    if prompts.is_empty():
        return GenerationRun(0, 0, 0, 0.0, 0.0)
    if settings.replicas > 1:
        return generate_with_replicas(
            prompts,
            policy,
            settings,
            seed=seed,
            dtype=dtype,
            commit=commit,
            description=description,
        )
    with Sampler(policy, settings, seed=seed, dtype=dtype) as sampler:
        return sampler.sample(prompts, settings, commit=commit, description=description)


def main(
    policy: Annotated[
        Path, typer.Option(help="Folder of the policy: weights, tokenizer, template.")
    ],
    prompts: Annotated[Path, typer.Option(help="Parquet: prompt_id, prompt (messages).")],
    output: Annotated[Path, typer.Option(help="Folder for parquet files, one per chunk.")],
    settings_file: SettingsOption = None,
    seed: Annotated[int, typer.Option(help="Seed of the engine; shard i adds i.")] = 0,
    dtype: DtypeOption = "bfloat16",
    shard: Annotated[
        str, typer.Option(help="i/N: the i-th of N parts of the prompts, counted from 0.")
    ] = "0/1",
) -> None:
    """Sample n responses per prompt with vLLM into a folder of parquet files.

    After a crash, run the same command again: it samples only the missing prompts. The last line is
    JSON: prompts, responses, tokens, seconds. Example:

    python -m training.generation --policy sft --prompts prompts.parquet --output responses
    """
    settings = read_settings(SamplingSettings, settings_file)
    index, count = (int(part) for part in shard.split("/"))
    folder = ChunkFolder(output, index)
    folder.claim(
        {"policy": str(policy.resolve()), "seed": seed, "dtype": dtype, **settings.model_dump()}
    )
    missing = select_shard(pl.read_parquet(prompts), index, count).join(
        folder.read_prompt_ids(), on="prompt_id", how="anti", maintain_order="left"
    )
    run = generate(missing, policy, settings, seed=seed + index, dtype=dtype, commit=folder.write)
    print(json.dumps(asdict(run)))


if __name__ == "__main__":
    run_command(main)
