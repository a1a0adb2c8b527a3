"""The stages of the GPU check: scoring, log-probabilities, sampling, and the list `STAGES`.

Importing this module loads no large library, so that a missing or broken library affects one stage
only. Not here: training (`bench.gpu.trainings`), processes (`bench.gpu.workers`).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from bench.gpu.cases import Case, Measured
from bench.gpu.trainings import run_fsdp, run_training
from training.settings.model import DeviceSettings
from training.settings.sampling import SamplingSettings
from training.settings.scoring import ScoringSettings
from training.settings.training import LoRASettings


def run_scoring(case: Case, folder: Path, dtype: str, **devices: int) -> Measured:
    """Score every response with the random reward model."""
    from training.scoring import score

    chunks: list[pl.DataFrame] = []
    run = score(
        pl.read_parquet(folder / "responses.parquet"),
        folder / "reward",
        ScoringSettings(),
        dtype=dtype,
        commit=chunks.append,
        devices=DeviceSettings(**devices),
    )
    rewards = pl.concat(chunks).sort("prompt_id", "response_index")["reward"].to_list()
    return {"reward": rewards}, {"tokens_per_s": run.tokens / run.elapsed_s}


def run_logps(case: Case, folder: Path, dtype: str, **devices: int) -> Measured:
    """Sum log-probabilities of every response; tokens/s includes loading the model."""
    from training.engine.sequence_logps import compute_response_logps
    from training.models.rendering import load_tokenizer, tokenize_conversations

    responses = pl.read_parquet(folder / "responses.parquet")
    started = time.perf_counter()
    logps = compute_response_logps(
        responses,
        folder / "initial",
        batch_tokens=8192,
        dtype=dtype,
        devices=DeviceSettings(**devices),
    )
    elapsed_s = time.perf_counter() - started
    ids = tokenize_conversations(
        load_tokenizer(folder / "initial"),
        responses["prompt"].to_list(),
        responses["response"].to_list(),
    )
    return {"logp": logps["logp"].to_list()}, {"tokens_per_s": sum(map(len, ids)) / elapsed_s}


def run_generation(case: Case, folder: Path, dtype: str, **devices: int) -> Measured:
    """Sample greedily, then at temperature 1 with a second engine, which needs the memory again.

    Nothing is compared here; `bench.gpu.sampled` checks the rows in a process on the CPU.
    """
    from training.generation import generate

    settings = SamplingSettings(
        n=case.n,
        max_tokens=case.response_words,
        max_context_tokens=case.context_tokens,
    )
    greedy = settings.model_copy(update={"n": 1, "temperature": 0.0})
    prompts = pl.read_parquet(folder / "pairs.parquet", columns=["prompt_id", "prompt"])
    for name, chosen in (("greedy", greedy), ("sampled", settings)):
        chunks: list[pl.DataFrame] = []
        run = generate(
            prompts,
            folder / "initial",
            chosen,
            seed=0,
            dtype=dtype,
            commit=chunks.append,
            devices=DeviceSettings(**devices),
        )
        rows = pl.concat(chunks)
        keys = rows.select("prompt_id", "response_index").unique().height
        if not keys == rows.height == case.rows * chosen.n:
            raise ValueError(
                f"{rows.height} responses, {keys} keys; {case.rows * chosen.n} expected"
            )
        rows.join(prompts, on="prompt_id").write_parquet(folder / f"{name}.parquet")
    figures = {
        "tokens_per_s": run.response_tokens / run.elapsed_s,
        "engine_start_s": run.engine_start_s,
    }
    return {}, figures


@dataclass(frozen=True)
class Stage:
    """How a stage is measured on each device."""

    measure: Callable[[Case, Path, str], Measured]
    reference: Callable[[Case, Path, str], Measured] | None
    """The same on the CPU; None for sampling, which `check_sampled` checks."""
    dtypes: tuple[str, ...] = ("float32", "bfloat16")
    gpus: int = 1


def _make_training_stage(stage: str) -> Stage:
    def measure(case: Case, folder: Path, dtype: str) -> Measured:
        return run_training(stage, case, folder, dtype)

    return Stage(measure, measure)


def _run_even_dpo(case: Case, folder: Path, dtype: str) -> Measured:
    return run_training("dpo", case, folder, dtype, even=True)


def _run_lora(case: Case, folder: Path, dtype: str) -> Measured:
    return run_training("dpo", case, folder, dtype, lora=LoRASettings(), learning_rate=1e-4)


STAGES: dict[str, Stage] = {
    "sft": _make_training_stage("sft"),
    "reward_model": _make_training_stage("reward_model"),
    "dpo": _make_training_stage("dpo"),
    "lora": Stage(_run_lora, _run_lora),
    "scoring": Stage(run_scoring, run_scoring),
    "logps": Stage(run_logps, run_logps),
    "fsdp": Stage(run_fsdp, _run_even_dpo, ("bfloat16",)),
    "launch": Stage(
        lambda case, folder, dtype: run_training(
            "dpo", case, folder, dtype, processes=2, even=True
        ),
        _run_even_dpo,
        gpus=2,
    ),
    "generation": Stage(run_generation, None, ("bfloat16",)),
    "replicas": Stage(
        lambda case, folder, dtype: run_generation(case, folder, dtype, replicas=2),
        None,
        ("bfloat16",),
        gpus=2,
    ),
    "tensor_parallel": Stage(
        lambda case, folder, dtype: run_generation(case, folder, dtype, gpus_per_replica=2),
        None,
        ("bfloat16",),
        gpus=2,
    ),
    "scoring_replicas": Stage(
        lambda case, folder, dtype: run_scoring(case, folder, dtype, replicas=2),
        run_scoring,
        gpus=2,
    ),
    "scoring_shared": Stage(
        lambda case, folder, dtype: run_scoring(case, folder, dtype, gpus_per_replica=2),
        run_scoring,
        gpus=2,
    ),
    "logps_replicas": Stage(
        lambda case, folder, dtype: run_logps(case, folder, dtype, replicas=2), run_logps, gpus=2
    ),
    "logps_shared": Stage(
        lambda case, folder, dtype: run_logps(case, folder, dtype, gpus_per_replica=2),
        run_logps,
        gpus=2,
    ),
}
"""All stages by name, in the order in which they run."""
