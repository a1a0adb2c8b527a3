"""Replicas: several sampling processes at the same time, each with its own GPUs and prompts.

This module starts and watches the processes, and commits their chunks. Each runs the command
`python -m training.generation`. Not here: the files of chunks (`training.engine.chunk_folder`).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import torch
from tqdm import tqdm

from training.engine.chunk_folder import ChunkFolder
from training.engine.sampler import GenerationRun
from training.engine.vllm_engine import render_prompts, require_context
from training.models.rendering import load_tokenizer
from training.runs.processes import end_processes, start_guarded
from training.settings.sampling import SamplingSettings
from transforms.errors import InputError

POLL_S = 0.2
"""Seconds between two readings of the replicas' folder."""
TAIL_CHARS = 4000
"""Last characters of a failed replica's output that the error message shows."""


def divide_devices(replicas: int, size: int) -> list[str | None]:
    """Divide the visible GPUs: return one CUDA_VISIBLE_DEVICES per replica, or Nones without GPUs.

    Raises:
        InputError: there are fewer GPUs than replicas x tensor_parallel_size.
    """
    if not torch.cuda.is_available():
        return [None] * replicas
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = named.split(",") if named else [str(i) for i in range(torch.cuda.device_count())]
    if len(devices) < replicas * size:
        raise InputError(
            "too few GPUs for the replicas",
            expected=f"{replicas} replicas x {size} GPUs (tensor_parallel_size)",
            found=f"{len(devices)} GPUs",
            remedy="lower sampling.replicas or sampling.tensor_parallel_size",
        )
    return [",".join(devices[i * size : (i + 1) * size]) for i in range(replicas)]


def generate_with_replicas(
    prompts: pl.DataFrame,
    policy: Path,
    settings: SamplingSettings,
    *,
    seed: int,
    dtype: str,
    commit: Callable[[pl.DataFrame], None],
    description: str,
) -> GenerationRun:
    """Run one `python -m training.generation` per replica, and commit chunks as they appear.

    Raises:
        InputError: a prompt is too long, max_context_tokens is more than the policy's context, or
            there are too few GPUs. This is checked before anything is sampled.
        RuntimeError: a replica failed. The others are ended; the message shows the end of its
            output.
    """
    groups = divide_devices(settings.replicas, settings.tensor_parallel_size)
    tokenizer, context_tokens = load_tokenizer(policy, pads=False), settings.max_context_tokens
    require_context(policy, context_tokens)
    render_prompts(tokenizer, prompts, settings, context_tokens=context_tokens)
    started = time.perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="replicas-") as work,
        tqdm(total=prompts.height, desc=description, unit="prompt", disable=None) as bar,
    ):
        folder = ChunkFolder(Path(work) / "chunks", shard=0)
        prompts.select("prompt_id", "prompt").write_parquet(Path(work) / "prompts.parquet")
        one = settings.model_copy(update={"replicas": 1})
        (Path(work) / "settings.json").write_text(one.model_dump_json())
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for index, group in enumerate(groups):
                shard = f"{index}/{settings.replicas}"
                processes.append(_start(Path(work), policy, seed, dtype, shard, group))
            committed: set[Path] = set()
            running = True
            while running:
                running = any(process.poll() is None for process in processes)
                for file in folder.list_files():
                    if file not in committed:
                        chunk = pl.read_parquet(file)
                        commit(chunk)
                        committed.add(file)
                        bar.update(chunk["prompt_id"].n_unique())
                for index, process in enumerate(processes):
                    if process.poll():
                        raise RuntimeError(
                            f"replica {index} ended with status {process.returncode}:\n"
                            + (Path(work) / f"{index}.err").read_text()[-TAIL_CHARS:]
                        )
                time.sleep(POLL_S)
        except BaseException:
            end_processes(processes)
            raise
        runs = [
            json.loads((Path(work) / f"{index}.out").read_text().splitlines()[-1])
            for index in range(settings.replicas)
        ]
    engine_start_s = max(run["engine_start_s"] for run in runs)
    return GenerationRun(
        prompts=sum(run["prompts"] for run in runs),
        responses=sum(run["responses"] for run in runs),
        response_tokens=sum(run["response_tokens"] for run in runs),
        engine_start_s=engine_start_s,
        elapsed_s=time.perf_counter() - started - engine_start_s,
    )


def _start(
    work: Path, policy: Path, seed: int, dtype: str, shard: str, devices: str | None
) -> subprocess.Popen[bytes]:
    index = shard.split("/")[0]
    arguments = {
        "--policy": policy,
        "--prompts": work / "prompts.parquet",
        "--output": work / "chunks",
        "--settings": work / "settings.json",
        "--seed": seed,
        "--dtype": dtype,
        "--shard": shard,
    }
    with (work / f"{index}.out").open("wb") as out, (work / f"{index}.err").open("wb") as err:
        return start_guarded(
            [sys.executable, "-m", "training.generation"]
            + [str(part) for pair in arguments.items() for part in pair],
            stdout=out,
            stderr=err,
            env=os.environ | ({} if devices is None else {"CUDA_VISIBLE_DEVICES": devices}),
        )
