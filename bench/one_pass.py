"""One forward pass per pair against TRL's trainers, with a real model and real pairs.

Both sides take the same optimiser steps on the same pairs, in the same micro-batches and order; the
first step warms up and is not counted. `dpo`: the peer is TRL's DPOTrainer with its default, the
reference in memory; ours reads stored log-probabilities of the reference. `reward_model`: TRL's
RewardTrainer, with and without packed rows. `reference`: TRL's precomputation of the reference's
log-probabilities against `training.reference_logps`.

Each side runs in its own process, alternating. Processor time is the figure to use where other
programs run. Losses must agree to 1e-5 in float32. The last line is JSON: `cpu_ratio`,
`clock_ratio` and `memory_ratio` (medians; peak resident memory of ours over the peer's).

    python bench/one_pass.py --model MODEL --task dpo --pairs hh_rlhf --dtype bfloat16

MODEL is the folder of a causal language model with a chat template.
"""

import json
import multiprocessing
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import polars as pl
import torch
import typer
from datasets import Dataset
from inputs import DATA
from memory import peak_mib
from real_pairs import select_pairs
from transformers import TrainerCallback
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer

from training.dpo import METRICS, TokenizedDPOTrainer
from training.models.loading.weights import load_causal_model, load_classifier
from training.models.logps import sum_logps
from training.models.one_pass.families import prepare_one_pass
from training.models.one_pass.forward import share_prompts, share_prompts_of_classifier
from training.models.rendering import load_tokenizer
from training.models.rewards import compute_head_in_float32
from training.reference_logps import add_reference_logps
from training.settings.objectives import DPOSettings

SETTINGS = DPOSettings(max_tokens=1024)


class InMemoryDPOTrainer(DPOTrainer):
    """TRL's trainer over token ids, in the given order; the reference is a second model."""

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        return dataset


class StepCosts(TrainerCallback):
    """Clock and processor seconds of each step, and what the trainer logs."""

    def __init__(self) -> None:
        self.s: list[float] = []
        self.cpu_s: list[float] = []
        self.logs: list[dict[str, float]] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:  # noqa: D102
        self._begun = time.perf_counter(), time.process_time()

    def on_step_end(self, *_: Any, **__: Any) -> None:  # noqa: D102
        self.s.append(time.perf_counter() - self._begun[0])
        self.cpu_s.append(time.process_time() - self._begun[1])

    def on_log(self, *_: Any, logs: dict[str, float], **__: Any) -> None:  # noqa: D102
        if "loss" in logs:
            self.logs.append(logs)


class Case(NamedTuple):
    """What both sides of a benchmark train on."""

    task: str
    model: Path
    folder: Path
    dtype: str
    micro_batch_size: int
    steps: int
    threads: int


def add_reference(case: Case) -> pl.DataFrame:
    """Return the pairs with the log-probabilities of the reference, which is the model itself."""
    pairs = pl.read_parquet(case.folder / "pairs.parquet").select(
        "prompt_id", "prompt", "chosen", "rejected"
    )
    return add_reference_logps(pairs, case.model, case.model, SETTINGS, dtype=case.dtype).pairs


def train_side(side: str, case: Case) -> dict[str, Any]:
    """Train; return the costs of each step but the first, and the losses."""
    costs = StepCosts()
    common: dict[str, Any] = {
        "output_dir": str(case.folder / side), "per_device_train_batch_size": case.micro_batch_size,
        "max_steps": case.steps, "learning_rate": 5e-6, "lr_scheduler_type": "constant",
        "bf16": case.dtype == "bfloat16", "use_cpu": not torch.cuda.is_available(),
        "logging_steps": 1, "save_strategy": "no", "report_to": "none", "disable_tqdm": True,
        "gradient_checkpointing": False, "max_length": None, "remove_unused_columns": False,
        "dataloader_pin_memory": False, "train_sampling_strategy": "sequential",
    }  # fmt: skip
    build = build_reward_trainer if case.task == "reward_model" else build_dpo_trainer
    trainer = build(side, case, common)
    trainer.add_callback(costs)
    trainer.train()
    return {
        "s": sum(costs.s[1:]),
        "cpu_s": sum(costs.cpu_s[1:]),
        "losses": [logs["loss"] for logs in costs.logs],
        "grad_norms": [logs["grad_norm"] for logs in costs.logs],
    }


def build_dpo_trainer(side: str, case: Case, common: dict[str, Any]) -> DPOTrainer:
    """Build the peer's trainer, with a second model, or ours, with stored log-probabilities."""
    columns = ["prompt_ids", "chosen_ids", "rejected_ids"]
    if side == "ours":
        pairs = pl.read_parquet(case.folder / "reference.parquet")
        columns += ["ref_chosen_logps", "ref_rejected_logps"]
    else:
        pairs = pl.read_parquet(case.folder / "pairs.parquet")
    trainer = (TokenizedDPOTrainer if side == "ours" else InMemoryDPOTrainer)(
        model=load_causal_model(case.model, "float32"),
        ref_model=None if side == "ours" else load_causal_model(case.model, "float32"),
        args=DPOConfig(**common, beta=0.1, precompute_ref_log_probs=side == "ours"),
        train_dataset=Dataset.from_dict(pairs.select(columns).to_dict(as_series=False)),
        processing_class=load_tokenizer(case.model),
    )
    if side == "ours":
        share_prompts(trainer, SETTINGS, sides=2, outputs=METRICS)
    return trainer


def build_reward_trainer(side: str, case: Case, common: dict[str, Any]) -> RewardTrainer:
    """Build TRL's trainer of a reward model; ours reads packed rows."""
    pairs = pl.read_parquet(case.folder / "pairs.parquet").select(
        pl.concat_list("prompt_ids", f"{name}_ids").alias(f"{name}_ids")
        for name in ("chosen", "rejected")
    )
    torch.manual_seed(0)
    model = load_classifier(case.model, "float32", new_head=True)
    compute_head_in_float32(model)
    trainer = RewardTrainer(
        model=model,
        args=RewardConfig(**common),
        train_dataset=Dataset.from_dict(pairs.to_dict(as_series=False)),
        processing_class=load_tokenizer(case.model),
    )
    if side == "ours":
        share_prompts_of_classifier(trainer, SETTINGS, sides=2)
    return trainer


def compute_side(side: str, case: Case) -> dict[str, Any]:
    """Compute the log-probabilities of the reference; loading the model does not count."""
    pairs = pl.read_parquet(case.folder / "pairs.parquet")
    low = case.dtype == "bfloat16"
    if side == "ours":
        model = load_causal_model(case.model, "float32").eval()
        assert prepare_one_pass(model)
        started = time.perf_counter(), time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            logps = dict(
                sum_logps(
                    model,
                    [
                        prompt + response
                        for *_, prompt, chosen, rejected in pairs.select(
                            "prompt_ids", "chosen_ids", "rejected_ids"
                        ).iter_rows()
                        for response in (chosen, rejected)
                    ],
                    [len(prompt) for prompt in pairs["prompt_ids"].to_list() for _ in range(2)],
                    SETTINGS.reference_batch_tokens,
                )
            )
        found = [logps[number] for number in sorted(logps)]
    else:
        trainer = build_dpo_trainer(
            side, case, {"output_dir": str(case.folder / side), "bf16": low, "report_to": "none",
                         "use_cpu": not torch.cuda.is_available(), "max_length": None,
                         "remove_unused_columns": False, "dataloader_pin_memory": False},
        )  # fmt: skip
        started = time.perf_counter(), time.process_time()
        rows = trainer._precompute_ref_logps(trainer.train_dataset, "train", case.micro_batch_size)
        found = [
            logp for row in rows for logp in (row["ref_chosen_logps"], row["ref_rejected_logps"])
        ]
    return {
        "s": time.perf_counter() - started[0],
        "cpu_s": time.process_time() - started[1],
        "losses": found,
    }


def run_side(side: str, case: Case) -> dict[str, Any]:
    """Run a side in this process."""
    torch.set_num_threads(case.threads)
    if side == "preparation":
        add_reference(case).write_parquet(case.folder / "reference.parquet")
        return {}
    measured = (compute_side if case.task == "reference" else train_side)(side, case)
    return measured | {"peak_mib": peak_mib()}


def run_in_process(side: str, case: Case) -> dict[str, Any]:
    """Run a side in a new process; print its figures."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        found = pool.submit(run_side, side, case).result()
    if "s" in found:
        print(f"{side:8}{found['s']:8.1f} s, {found['cpu_s']:.1f} s of processor time,"
              f" peak {found['peak_mib']} MiB", flush=True)  # fmt: skip
    return found


def main(
    model: Annotated[Path, typer.Option(help="Folder of a model with a chat template.")],
    task: Annotated[str, typer.Option(help="dpo, reward_model or reference.")] = "dpo",
    pairs: Annotated[str, typer.Option(help="hh_rlhf, ultrafeedback or best_worst.")] = "hh_rlhf",
    order: Annotated[str, typer.Option(help="random, or grouped by length.")] = "random",
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    micro_batch_size: Annotated[int, typer.Option(help="Pairs per optimiser step.")] = 4,
    steps: Annotated[int, typer.Option(help="Steps; the first one is not counted.")] = 3,
    max_tokens: Annotated[int, typer.Option(help="Longest prompt with response, tokens.")] = 1024,
    repetitions: Annotated[int, typer.Option(help="Runs of each side, alternating.")] = 1,
    threads: Annotated[int, typer.Option(help="Threads of torch in each process.")] = 2,
    data: Annotated[Path, typer.Option(help="Folder of the real data.")] = DATA,
) -> None:
    """Compare one forward pass per pair with TRL."""
    runs: dict[str, list[dict[str, Any]]] = {"trl": [], "ours": []}
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        case = Case(task, model, Path(work), dtype, micro_batch_size, steps, threads)
        rows = select_pairs(
            model, pairs, data, pairs=micro_batch_size * steps, micro_batch_size=micro_batch_size,
            order=order, max_tokens=max_tokens,
        )  # fmt: skip
        rows.write_parquet(case.folder / "pairs.parquet")
        if task == "dpo":
            run_in_process("preparation", case)
        for repetition in range(repetitions):
            for side in runs if repetition % 2 == 0 else reversed(runs):
                runs[side].append(run_in_process(side, case))
    difference = max(
        abs(ours - peer) / max(1.0, abs(peer))
        for ours, peer in zip(runs["ours"][0]["losses"], runs["trl"][0]["losses"], strict=True)
    )
    assert dtype != "float32" or difference < 1e-5, difference
    median = {
        (side, figure): statistics.median(run[figure] for run in found)
        for side, found in runs.items()
        for figure in ("s", "cpu_s", "peak_mib")
    }
    result = {
        "bench": "one_pass",
        "task": task,
        "cpu_ratio": round(median["trl", "cpu_s"] / median["ours", "cpu_s"], 2),
        "clock_ratio": round(median["trl", "s"] / median["ours", "s"], 2),
        "memory_ratio": round(median["ours", "peak_mib"] / median["trl", "peak_mib"], 2),
        **{
            figure: {side: [round(run[figure], 1) for run in runs[side]] for side in runs}
            for figure in ("s", "cpu_s", "peak_mib")
        },
        "largest_loss_difference": difference,
        "losses": {side: runs[side][0]["losses"][:4] for side in runs},
        "grad_norms": {side: runs[side][0].get("grad_norms") for side in runs},
        "pairs": pairs,
        "mean_tokens": {
            side: round(rows[f"{side}_ids"].list.len().mean(), 1)
            for side in ("prompt", "chosen", "rejected")
        },
        "order": order,
        "dtype": dtype,
        "micro_batch_size": micro_batch_size,
        "steps": steps - 1,
        "max_tokens": max_tokens,
        "model": model.name,
        "threads": threads,
        "load_average": os.getloadavg(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    typer.run(main)
