"""DPO with the stored reference against TRL with the reference model in memory.

Both sides train the same policy on the same real pairs (HH-RLHF, helpful-base), in the same batches
and order, for two epochs, with `training.runs.trainer.train`. The peer is TRL's DPOTrainer with its
default: a second model, whose forward pass is repeated in every step. Ours reads stored
log-probabilities from the lake's table `reference_logps`, trains with one model and computes a
prompt once for its two responses. Losses must agree to 1e-5 at every step. Without the second model
alone the ratio would be at most 4 / 3: a training step of the policy is a forward pass (1) and a
backward pass (2); the peer adds a forward pass of the reference (1). `bench/one_pass.py` measures
the shared prompts with a real model and its vocabulary.

Each side runs in its own process, alternating, after one warm-up step. The seconds are those of the
whole stage: reading, tokenizing, loading, training, saving. `filling` is the pass that fills the
store, including commits to Delta. It is needed once, and `ratio_with_filling` adds it to one
training. Memory (largest resident size, MiB) is measured separately, in two steps of one pair with
a larger model, where weights need more memory than activations.

The last line is JSON. `ratio` is the peer's seconds divided by ours with a filled store (medians).
`cpu_ratio` is the same for processor time, which depends less on other programs. `train_ratio`
compares the training loops only.

    python bench/dpo.py --pairs 48 --repetitions 3
"""

import gzip
import json
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated

import polars as pl
import torch
import typer
from datasets import Dataset
from inputs import DATA
from memory import peak_mib
from transformers import AutoModelForCausalLM
from trl import DPOConfig, DPOTrainer

from training.dpo import train_dpo
from training.models.initial_model import make_tiny_model
from training.models.loading.weights import load_causal_model
from training.models.rendering import load_tokenizer
from training.models.token_ids import tokenize_responses
from training.reference_logps import ReferencePass, add_reference_logps
from training.runs.examples import split_fitting
from training.runs.run_record import TrainingRun
from training.runs.trainer import build_trl_arguments, train
from training.settings.model import TinyModelSettings
from training.settings.objectives import DPOSettings
from transforms.lake.lake import Lake
from transforms.lake.records.reference_logps import ReferenceLogps

DIALOGUES = "hh-rlhf/helpful-base_test.jsonl.gz"
TURN = "\n\nAssistant:"
SIDES = ("filling", "stored", "in_memory")


class InMemoryDPOTrainer(DPOTrainer):
    """TRL's trainer over token ids; the reference is a second model."""

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        return dataset


def read_pairs(data: Path) -> pl.DataFrame:
    """Read comparisons: prompt_id, prompt, chosen, rejected (message lists)."""
    with gzip.open(data / DIALOGUES, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    sides = [[row[name].rpartition(TURN) for name in ("chosen", "rejected")] for row in rows]
    kept = [
        (chosen[0], chosen[2].strip(), rejected[2].strip())
        for chosen, rejected in sides
        if chosen[0] == rejected[0] and chosen[2].strip() and rejected[2].strip()
    ]
    return pl.DataFrame(
        {
            "prompt_id": [f"{i:05}" for i in range(len(kept))],
            "prompt": [[{"role": "user", "content": prompt}] for prompt, _, _ in kept],
            "chosen": [[{"role": "assistant", "content": text}] for _, text, _ in kept],
            "rejected": [[{"role": "assistant", "content": text}] for _, _, text in kept],
        }
    )


def complete_logps(folder: Path, settings: DPOSettings) -> ReferencePass:
    """Read the log-probabilities of the pairs from the folder's lake; compute the missing ones."""
    store = ReferenceLogps(Lake(folder / "lake"), "reference", "float32")
    with store.append_chunks() as append:
        return add_reference_logps(
            pl.read_parquet(folder / "pairs.parquet"),
            folder / "start",
            folder / "reference",
            settings,
            dtype="float32",
            known=store.read_known,
            commit=append,
        )


def train_stored(folder: Path, output: Path, settings: DPOSettings) -> TrainingRun:
    """Train with the stored log-probabilities of the reference."""
    rows = complete_logps(folder, settings).pairs
    return train_dpo(rows, folder / "start", output, settings, seed=0, dtype="float32")


def train_in_memory(folder: Path, output: Path, settings: DPOSettings) -> TrainingRun:
    """Train with the reference as a second model."""
    started = time.perf_counter()
    tokenizer = load_tokenizer(folder / "start")
    models = [
        AutoModelForCausalLM.from_pretrained(folder / name, dtype=torch.float32)
        for name in ("start", "reference")
    ]

    def make(pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        examples = tokenize_responses(tokenizer, pairs)
        return split_fitting(examples, settings.max_tokens, "prompt_id")

    def build(steps: Path, dataset: Dataset) -> DPOTrainer:
        return InMemoryDPOTrainer(
            model=models[0],
            ref_model=models[1],
            args=DPOConfig(
                **build_trl_arguments(settings, steps, seed=0, dtype="float32"),
                beta=settings.beta,
                loss_type=["sigmoid"],
                disable_dropout=True,
            ),
            train_dataset=dataset,
            processing_class=tokenizer,
        )

    pairs = pl.read_parquet(folder / "pairs.parquet")
    load = partial(load_causal_model, folder / "start")
    return train(
        build, output, settings, pairs, lambda: make, load=load, started=started, report=None
    )


def fill_store(folder: Path, settings: DPOSettings) -> dict[str, object]:
    """Compute the log-probabilities of every pair into a new store."""
    shutil.rmtree(folder / "lake", ignore_errors=True)
    return {"sequences": complete_logps(folder, settings).computed}


def run_training(side: str, folder: Path, settings: DPOSettings) -> dict[str, object]:
    """Train; return the losses and the seconds of the training loop."""
    train_side = {"stored": train_stored, "in_memory": train_in_memory}[side]
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        metrics = train_side(folder, Path(work) / "policy", settings).metrics.sort("step")
    return {
        "losses": metrics.filter(metric="loss")["value"].to_list(),
        "train_s": metrics.filter(metric="train_runtime")["value"].item(),
    }


def run_side(
    side: str, folder: Path, settings: DPOSettings, threads: int, warmed: bool
) -> dict[str, object]:
    """Measure a side in this process, after one step (or one pass) that is not measured."""
    torch.set_num_threads(threads)

    def work(settings: DPOSettings) -> dict[str, object]:
        filling = side == "filling"
        return fill_store(folder, settings) if filling else run_training(side, folder, settings)

    if warmed:
        work(settings.model_copy(update={"max_steps": 1}))
    started, cpu_started = time.perf_counter(), time.process_time()
    return work(settings) | {
        "s": time.perf_counter() - started,
        "cpu_s": time.process_time() - cpu_started,
        "peak_mib": peak_mib(),
    }


def measure_in_process(side: str, *arguments: object) -> dict[str, object]:
    """Measure a side in a new process; print its figures."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        found = pool.submit(run_side, side, *arguments).result()
    print(f"{side:12}{found['s']:8.2f} s, {found['cpu_s']:.2f} s of processor time,"
          f" peak {found['peak_mib']} MiB", flush=True)  # fmt: skip
    return found


def make_case(folder: Path, every: pl.DataFrame, pairs: int, max_tokens: int, width: int,
              layers: int) -> tuple[int, float]:  # fmt: skip
    """Make a random reference, a start near it, and pairs that fit.

    Returns:
        The number of weights, and the mean tokens of a pair's longer side.
    """
    tiny = TinyModelSettings(
        tokenizer="byte_bpe",
        vocab_size=2048,
        hidden_size=width,
        intermediate_size=4 * width,
        layers=layers,
        heads=width // 64,
        context_tokens=4096,
        initializer_range=0.02,
    )
    texts = [text for name in ("prompt", "chosen") for text in every.head(500)[name].to_list()]
    make_tiny_model(tiny, texts, folder / "reference", seed=0)
    shutil.copytree(folder / "reference", folder / "start")
    model = AutoModelForCausalLM.from_pretrained(folder / "reference", dtype=torch.float32)
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=1e-3)
    model.save_pretrained(folder / "start")
    lengths = tokenize_responses(load_tokenizer(folder / "start"), every)["length"]
    fitting = every.with_columns(lengths).filter(
        pl.col("length").is_between(max_tokens // 3, max_tokens)
    )
    chosen = fitting.sample(pairs, seed=0)
    chosen.drop("length").write_parquet(folder / "pairs.parquet")
    return sum(weight.numel() for weight in model.parameters()), chosen["length"].mean()


def main(
    pairs: Annotated[int, typer.Option(help="Pairs; training takes two epochs.")] = 48,
    max_tokens: Annotated[int, typer.Option(help="Longest prompt with response, tokens.")] = 320,
    repetitions: Annotated[int, typer.Option(help="Timed runs of each side, alternating.")] = 3,
    threads: Annotated[int, typer.Option(help="Threads of torch in each process.")] = 2,
    hidden_size: Annotated[int, typer.Option(help="Width of the models.")] = 256,
    layers: Annotated[int, typer.Option(help="Layers of the models.")] = 4,
    data: Annotated[Path, typer.Option(help="Folder of the real data.")] = DATA,
) -> None:
    """Compare DPO with the stored reference and TRL with the reference in memory."""
    settings = DPOSettings(
        learning_rate=1e-5,
        batch_size=8,
        micro_batch_size=8,
        max_tokens=max_tokens,
        logging_steps=1,
        checkpoint_steps=None,
    )
    one_pair = {"batch_size": 1, "micro_batch_size": 1, "max_steps": 2}
    every = read_pairs(data)
    runs: dict[str, list[dict]] = {side: [] for side in SIDES}
    memory: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        speed, large = Path(work) / "speed", Path(work) / "large"
        weights, mean_tokens = make_case(speed, every, pairs, max_tokens, hidden_size, layers)
        for repetition in range(repetitions):
            # The store is filled first. The side that trains first alternates.
            trainings = SIDES[1:] if repetition % 2 else SIDES[:0:-1]
            for side in ("filling", *trainings):
                runs[side].append(measure_in_process(side, speed, settings, threads, True))
        large_weights, _ = make_case(large, every, 4, max_tokens, 768, 8)
        for side in SIDES:
            few = settings.model_copy(update=one_pair)
            memory[side] = measure_in_process(side, large, few, threads, False)["peak_mib"]
    difference = max(
        abs(ours - theirs)
        for stored, in_memory in zip(runs["stored"], runs["in_memory"], strict=True)
        for ours, theirs in zip(stored["losses"], in_memory["losses"], strict=True)
    )
    assert difference < 1e-5, difference
    median = {
        (side, figure): statistics.median(run[figure] for run in runs[side])
        for side in SIDES
        for figure in runs[side][0].keys() & {"s", "cpu_s", "train_s"}
    }
    with_filling = {
        figure: median["stored", figure] + median["filling", figure] for figure in ("s", "cpu_s")
    }
    result = {
        "bench": "dpo",
        "ratio": round(median["in_memory", "s"] / median["stored", "s"], 3),
        "cpu_ratio": round(median["in_memory", "cpu_s"] / median["stored", "cpu_s"], 3),
        "train_ratio": round(median["in_memory", "train_s"] / median["stored", "train_s"], 3),
        "ratio_with_filling": round(median["in_memory", "s"] / with_filling["s"], 3),
        "cpu_ratio_with_filling": round(median["in_memory", "cpu_s"] / with_filling["cpu_s"], 3),
        **{
            figure: {side: [round(run[figure], 2) for run in runs[side]] for side in SIDES}
            for figure in ("s", "cpu_s", "peak_mib")
        },
        "large_peak_mib": memory,
        "large_weights_mib": round(4 * large_weights / 2**20),
        "largest_loss_difference": difference,
        "steps": len(runs["stored"][0]["losses"]),
        "pairs": pairs,
        "mean_tokens": round(mean_tokens, 1),
        "sequences": runs["filling"][0]["sequences"],
        "weights": weights,
        "threads": threads,
        "load_average": os.getloadavg(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    typer.run(main)
