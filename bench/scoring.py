"""Scoring stage with commits to Delta, against transformers' pipeline with one text at a time.

The peer is the method of the paper's published script: transformers' text-classification pipeline
over the n responses of a prompt, with batch size 1 and no function applied to the logit. It gets
the same token ids (from the template's text, whose one BOS the tokenizer reads back; asserted) and
a part of the prompts (`--peer-prompts`); seconds per token of the conversations are compared, since
the parts differ in length. It runs twice: with OpenMP's threads waiting (`passive`), as everything
here does, and spinning (`active`); `ratio` is that to the faster one. The stage is
`training.scoring.score` with commits to the lake's table `scores`, over all rows, read in frames.
`vllm` is the same stage with vLLM's pooling runner as its engine, on the threads that vLLM chooses.
Rewards must agree to 1e-4 in float32. The time to load the model is not measured. `forward` is only
the stage's forward pass: token ids are computed before, and nothing is committed.

The reward model has the layers of SmolLM2-135M-Instruct, or of `--model`, and a random head. The
rows are real: 400 prompts with 16 samples each, used as 800 prompts with 8 samples. `dialogues` are
the longest dialogues of HH-RLHF, each with its own response and those of the next seven. Each side
runs in its own process; they alternate.

The last line is JSON. `ratio` is the peer's seconds per token divided by the stage's (medians).
`cpu_ratio` is the same for processor time, which depends less on other programs, but does not show
the time that threads wait for each other.

    python bench/scoring.py --dtype bfloat16
"""

import gzip
import json
import multiprocessing
import os
import random
import statistics
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from inputs import DATA
from real_model import choose_model, describe_model, make_reward_model
from scoring_ways import Measured, N, run_side

SAMPLES = "n_responses/tulu2_dpo13b_n16_alpacaeval_400.jsonl.gz"
DIALOGUES = "hh-rlhf/helpful-base_test.jsonl.gz"
RUNS = {
    "stage": ("stage", "all", "passive"),
    "vllm": ("vllm", "all", "passive"),
    "peer": ("peer", "part", "passive"),
    "spinning_peer": ("peer", "part", "active"),
    "forward": ("forward", "part", "passive"),
    "dialogues": ("forward", "dialogues", "passive"),
}
"""Side, rows, and how OpenMP's threads wait, by the name of a run."""


def read_lines(path: Path) -> list[dict]:
    """Read a gzipped file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_samples(data: Path, prompts: int) -> pl.DataFrame:
    """Arrange the real samples as `prompts` prompts with 8 responses each, in a random order."""
    rows = read_lines(data / SAMPLES)
    groups = [
        (row["instruction"], row["responses"][start : start + N])
        for start in (0, N)
        for row in rows
    ]
    return make_rows(random.Random(0).sample(groups, prompts))


def read_dialogues(data: Path, prompts: int) -> pl.DataFrame:
    """Read the longest dialogues as prompts, each with its response and those of the next seven."""
    rows = sorted(read_lines(data / DIALOGUES), key=lambda row: -len(row["chosen"]))
    parts = [row["chosen"].rpartition("\n\nAssistant:") for row in rows]
    parts = [(prompt, answer.strip()) for prompt, _, answer in parts if answer.strip()]
    return make_rows(
        [
            (prompt, [parts[(i + shift) % len(parts)][1] for shift in range(N)])
            for i, (prompt, _) in enumerate(parts[:prompts])
        ]
    )


def make_rows(groups: list[tuple[str, list[str]]]) -> pl.DataFrame:
    """Make one row per response: prompt_id, response_index, prompt, response."""
    return pl.DataFrame(
        {
            "prompt_id": [f"{i:05}" for i in range(len(groups)) for _ in range(N)],
            "response_index": pl.Series(list(range(N)) * len(groups), dtype=pl.Int32),
            "prompt": [[{"role": "user", "content": p}] for p, texts in groups for _ in texts],
            "response": [text for _, texts in groups for text in texts],
        }
    )


def measure(name: str, folder: Path, dtype: str, threads: int) -> Measured:
    """Measure a run of `RUNS` in a new process; print a line."""
    side, rows, wait = RUNS[name]
    os.environ["OMP_WAIT_POLICY"] = wait  # the process reads it when it imports torch
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        arguments = side, folder / "reward_model", folder / f"{rows}.parquet", dtype, threads
        found = pool.submit(run_side, *arguments).result()
    print(f"{name:14}{compute_ms(found.elapsed_s, found):9.2f} ms per response,"
          f" {compute_ms(found.cpu_s, found):.2f} of processor time, peak {found.peak_mib} MiB,"
          f" load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    return found


def compute_ms(seconds: float, found: Measured) -> float:
    """Compute milliseconds per response."""
    return round(1e3 * seconds / len(found.rewards), 2)


def find_largest_difference(ours: Measured, other: Measured) -> float:
    """Find the largest difference of rewards over the rows of `other`."""
    return max(abs(ours.rewards[key] - reward) for key, reward in other.rewards.items())


def main(
    model: Annotated[Path | None, typer.Option(help="Folder of a model; else SmolLM2.")] = None,
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    runs: Annotated[
        str, typer.Option(help=f"Comma-separated: {', '.join(RUNS)}.")
    ] = "stage,vllm,peer,spinning_peer",
    prompts: Annotated[int, typer.Option(help="Prompts of the stage, 8 responses each.")] = 64,
    peer_prompts: Annotated[int, typer.Option(help="Prompts of the peer, the first ones.")] = 16,
    repetitions: Annotated[int, typer.Option(help="Timed runs of each, alternating.")] = 2,
    threads: Annotated[int, typer.Option(help="Threads of torch in each process.")] = 2,
    data: Annotated[Path, typer.Option(help="Folder of the real data.")] = DATA,
) -> None:
    """Compare the scoring stage with the pipeline."""
    load_before = os.getloadavg()
    names = runs.split(",")
    samples = read_samples(data, prompts)
    frames = {
        "all": samples,
        "part": samples.head(N * peer_prompts),
        "dialogues": read_dialogues(data, peer_prompts),
    }
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        folder = Path(work)
        reward_model = make_reward_model(
            choose_model(model, folder), folder / "reward_model", dtype
        )
        for name, frame in frames.items():
            frame.write_parquet(folder / f"{name}.parquet")
        found: dict[str, list[Measured]] = {name: [] for name in names}
        for repetition in range(repetitions):
            # The order alternates.
            for name in names if repetition % 2 == 0 else names[::-1]:
                found[name].append(measure(name, folder, dtype, threads))
        described = describe_model(reward_model)
    difference = {
        name: find_largest_difference(found["stage"][0], found[name][0])
        for name in names
        if name not in ("stage", "dialogues")
    }
    assert dtype != "float32" or max(difference.values()) < 1e-4, difference
    elapsed = {
        name: [compute_ms(run.elapsed_s, run) for run in runs] for name, runs in found.items()
    }
    cpu = {name: [compute_ms(run.cpu_s, run) for run in runs] for name, runs in found.items()}
    median = {
        kind: {
            name: statistics.median(values) * len(found[name][0].rewards) / found[name][0].tokens
            for name, values in figures.items()
        }
        for kind, figures in (("ratio", elapsed), ("cpu_ratio", cpu))
    }
    peer = min(("peer", "spinning_peer"), key=lambda name: median["ratio"].get(name, float("inf")))
    result = {
        "bench": "scoring",
        **{kind: round(of[peer] / of["stage"], 3) for kind, of in median.items()},
        "faster_peer": peer,
        "ms": elapsed,
        "cpu_ms": cpu,
        "peak_mib": {name: max(run.peak_mib for run in runs) for name, runs in found.items()},
        "largest_difference": difference,
        "rows": {name: frames[RUNS[name][1]].height for name in names},
        "tokens": {name: found[name][0].tokens for name in names},
        "dtype": dtype,
        "model": described,
        "threads": threads,
        "load_average": {"before": load_before, "after": os.getloadavg()},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    typer.run(main)
