"""Scoring stage with commits to Delta, against transformers' pipeline with one text at a time.

The peer is the method of the paper's published script: transformers' text-classification pipeline
over the n responses of a prompt, with batch size 1 and no function applied to the logit. It gets
the same token ids (from the template's text, whose one BOS the tokenizer reads back; asserted) and
a random part of the prompts (`--peer-prompts`); seconds per response are compared. The stage is
`training.scoring.score` with commits to the lake's table `scores`, over all rows, read in frames.
Both use the same random Llama in float32; their rewards must agree to 1e-4. The time to load the
model is not measured.

`forward` is only the stage's forward pass: token ids are computed before, and nothing is committed.

For memory, the stage runs again over `--few-prompts` and `--many-prompts`.

The rows are real: 400 prompts with 16 samples each, used as 800 prompts with 8 samples, repeated
from the start if there are not enough. `dialogues` are the longest dialogues of HH-RLHF, each with
its own response and those of the next seven. Each side runs in its own process; they alternate.

The last line is JSON. `ratio` is the peer's seconds per response divided by the stage's (medians).
`cpu_ratio` is the same for processor time, which depends less on other programs, but does not show
the time that threads wait for each other.

    python bench/scoring.py
    python bench/scoring.py --hidden-size 128 --layers 4
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
import torch
import typer
from inputs import DATA
from scoring_ways import Measured, N, run_side
from transformers import AutoModelForSequenceClassification

from training.models.initial_model import make_tiny_model
from training.settings.model import TinyModelSettings

SAMPLES = "n_responses/tulu2_dpo13b_n16_alpacaeval_400.jsonl.gz"
DIALOGUES = "hh-rlhf/helpful-base_test.jsonl.gz"
RUNS = [
    ("stage", "all"),
    ("peer", "part"),
    ("forward", "samples"),
    ("forward", "dialogues"),
]
"""Side and rows."""


def read_lines(path: Path) -> list[dict]:
    """Read a gzipped file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_samples(data: Path, prompts: int) -> pl.DataFrame:
    """Arrange the real samples as `prompts` prompts with 8 responses each."""
    rows = read_lines(data / SAMPLES)
    groups = [
        (row["instruction"], row["responses"][start : start + N])
        for start in (0, N)
        for row in rows
    ]
    return make_rows([groups[i % len(groups)] for i in range(prompts)])


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


def make_model(folder: Path, samples: pl.DataFrame, *, hidden_size: int, layers: int) -> None:
    """Make a random Llama with a scalar head, and a byte-level BPE tokenizer of 8,192 tokens."""
    tiny = TinyModelSettings(
        tokenizer="byte_bpe",
        vocab_size=8192,
        hidden_size=hidden_size,
        intermediate_size=2 * hidden_size,
        layers=layers,
        heads=hidden_size // 64,
        context_tokens=4096,
    )
    texts = samples["prompt"].unique(maintain_order=True).to_list() + [
        [{"role": "assistant", "content": text}]
        for text in samples["response"].unique(maintain_order=True)
    ]
    make_tiny_model(tiny, texts, folder, seed=0)
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1).save_pretrained(folder)


def measure(side: str, rows: str, folder: Path, threads: int) -> Measured:
    """Run a side over the file of rows in a new process; print a line."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        arguments = side, folder / "reward_model", folder / f"{rows}.parquet", threads
        found = pool.submit(run_side, *arguments).result()
    print(f"{side + ' ' + rows:18}{compute_ms(found.elapsed_s, found):9.3f} ms per response,"
          f" {compute_ms(found.cpu_s, found):.3f} of processor time, peak {found.peak_mib} MiB,"
          f" load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    return found


def compute_ms(seconds: float, found: Measured) -> float:
    """Compute milliseconds per response."""
    return round(1e3 * seconds / len(found.rewards), 3)


def find_largest_difference(ours: Measured, other: Measured) -> float:
    """Find the largest difference of rewards over the rows of `other`."""
    return max(abs(ours.rewards[key] - reward) for key, reward in other.rewards.items())


def main(
    prompts: Annotated[int, typer.Option(help="Prompts of the stage, 8 responses each.")] = 2000,
    peer_prompts: Annotated[int, typer.Option(help="Prompts of the peer, a random part.")] = 100,
    forward_prompts: Annotated[int, typer.Option(help="Prompts of the forward pass.")] = 100,
    few_prompts: Annotated[int, typer.Option(help="Prompts of a run for memory.")] = 400,
    many_prompts: Annotated[int, typer.Option(help="Prompts of a run for memory.")] = 6000,
    repetitions: Annotated[int, typer.Option(help="Timed runs of each, alternating.")] = 3,
    threads: Annotated[int, typer.Option(help="Threads of torch in each process.")] = 2,
    hidden_size: Annotated[int, typer.Option(help="Width of the model.")] = 64,
    layers: Annotated[int, typer.Option(help="Layers of the model.")] = 2,
    data: Annotated[Path, typer.Option(help="Folder of the real data.")] = DATA,
) -> None:
    """Compare the scoring stage with the pipeline."""
    # The sides read this when they import torch. Threads that spin at barriers make the peer ten
    # times slower on a busy machine. The stage's batches have one thread each and no barriers.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    load_before = os.getloadavg()
    samples = read_samples(data, prompts)
    sampled = random.Random(0).sample(samples["prompt_id"].unique().sort().to_list(), peer_prompts)
    part = samples.filter(pl.col("prompt_id").is_in(sampled))
    frames = {
        "all": samples,
        "part": part,
        "samples": part.head(N * forward_prompts),
        "dialogues": read_dialogues(data, forward_prompts),
        "few": read_samples(data, few_prompts),
        "many": read_samples(data, many_prompts),
    }
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        folder = Path(work)
        make_model(folder / "reward_model", samples, hidden_size=hidden_size, layers=layers)
        for name, frame in frames.items():
            frame.write_parquet(folder / f"{name}.parquet")
        found: dict[str, list[Measured]] = {f"{side} {rows}": [] for side, rows in RUNS}
        for repetition in range(repetitions):
            # The order alternates.
            for side, rows in RUNS if repetition % 2 == 0 else RUNS[::-1]:
                found[f"{side} {rows}"].append(measure(side, rows, folder, threads))
        for rows in ("few", "many"):
            found[f"stage {rows}"] = [measure("stage", rows, folder, threads)]
    difference = {
        f"{ours} - {other}": find_largest_difference(found[ours][0], found[other][0])
        for ours, other in (
            ("stage all", "peer part"),
            ("stage all", "forward samples"),
        )
    }
    assert max(difference.values()) < 1e-4, difference
    elapsed = {
        name: [compute_ms(run.elapsed_s, run) for run in runs] for name, runs in found.items()
    }
    cpu = {name: [compute_ms(run.cpu_s, run) for run in runs] for name, runs in found.items()}

    ratios = {
        kind: round(
            statistics.median(figures["peer part"]) / statistics.median(figures["stage all"]), 3
        )
        for kind, figures in (("ratio", elapsed), ("cpu_ratio", cpu))
    }
    result = {
        "bench": "scoring",
        **ratios,
        "ms": elapsed,
        "cpu_ms": cpu,
        "peak_mib": {name: max(run.peak_mib for run in runs) for name, runs in found.items()},
        "largest_difference": difference,
        "rows": {name: frame.height for name, frame in frames.items()},
        "model": {"hidden_size": hidden_size, "layers": layers},
        "threads": threads,
        "omp_wait_policy": os.environ["OMP_WAIT_POLICY"],
        "load_average": {"before": load_before, "after": os.getloadavg()},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    typer.run(main)
