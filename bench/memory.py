"""Memory of the preparation of examples: SFT, reward model and DPO, in one process and in two.

Rows are made up, with a byte-level BPE of 32,000 words; a conversation has about 150 tokens.
Each measurement is one `training.runs.launch.launch` in a process of its own: examples are written,
the training processes map them, hash them (`step_checkpoints.hash_run`) and train one step of a
tiny model. For DPO, the reference's log-probabilities come first; the model that computes them is
left out, everything else is done. Memory is measured five times per second over the process and
its children: anonymous pages, and the proportional share (PSS), which adds the mapped pages of
files, each page once. The libraries alone take most of it, and the first slices of rows some more,
which the allocator keeps. So the memory of a run with 2,000 rows is subtracted. `slope` is the
further bytes per further token.

    python bench/memory.py --rows 10000,100000

The last line is JSON. The functions are for other benchmarks, too.
"""

import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import psutil
import typer
from process_memory import sample_memory

STAGES = ("sft", "reward_model", "dpo")
BASE_ROWS = 2_000
MADE_AT_ONCE = 256
CORPUS_ROWS = 3000
MAX_TOKENS = 4096


class Sample(NamedTuple):
    """Memory of a process and its children at one moment, bytes."""

    anonymous: int
    """Pages that belong to no file."""
    pss: int
    """Anonymous pages and mapped pages of files, each page once."""


def peak_mib() -> int:
    """Read the peak memory of this process since it started its program, MiB (Linux's VmHWM).

    `getrusage` does not work: a child process inherits the largest figure of its parent.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return round(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024)


def read_sample(process: psutil.Process) -> Sample:
    """Read the memory of a process now; zero if it has ended."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="utf-8")
    except OSError:
        return Sample(0, 0)
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE))
    return Sample(int(found.get("Anonymous", 0)) * 1024, int(found.get("Pss", 0)) * 1024)


def main(
    rows: Annotated[str, typer.Option(help="Comma-separated numbers of rows.")] = "10000,100000",
    stages: Annotated[str, typer.Option(help="Comma-separated stages.")] = ",".join(STAGES),
    processes: Annotated[str, typer.Option(help="Comma-separated numbers of processes.")] = "1,2",
) -> None:
    """Measure the memory of the preparation of examples."""
    results = []
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        start_child("model", "", 0, 1, Path(work))
        for stage in stages.split(","):
            for count in map(int, processes.split(",")):
                results += measure_stage(stage, count, [int(n) for n in rows.split(",")], work)
    print(json.dumps({"bench": "memory", "results": results}))


def measure_stage(stage: str, processes: int, rows: list[int], work: str) -> list[dict[str, Any]]:
    """Measure a stage at several numbers of rows; print and return one row each."""
    base = start_child("prepare", stage, BASE_ROWS, processes, Path(work))
    results: list[dict[str, Any]] = []
    last = base
    for height in rows:
        run = start_child("prepare", stage, height, processes, Path(work))
        tokens = run["tokens"] - base["tokens"]
        result = {"stage": stage, "processes": processes, "rows": height, "tokens": run["tokens"]}
        for kind in Sample._fields:
            result[f"{kind}_mib"] = round(run[kind] / 2**20)
            result[f"{kind}_bytes_per_token"] = round((run[kind] - base[kind]) / tokens, 2)
            further = run["tokens"] - last["tokens"]
            result[f"{kind}_slope"] = round((run[kind] - last[kind]) / further, 2)
        result["file_bytes_per_token"] = round(run["file"] / run["tokens"], 2)
        results.append(result)
        last = run
        print(
            f"{stage:12} {processes} processes {height:>7} rows {run['tokens']:>10} tokens:"
            + "".join(
                f"  {kind} {result[f'{kind}_mib']} MiB,"
                f" {result[f'{kind}_bytes_per_token']} bytes per token,"
                f" slope {result[f'{kind}_slope']};"
                for kind in Sample._fields
            ),
            flush=True,
        )
    return results


def start_child(task: str, stage: str, rows: int, processes: int, work: Path) -> dict[str, Any]:
    """Run a task of this file in a process of its own; return its result and peak memory."""
    command = [sys.executable, __file__, task, stage, str(rows), str(processes), str(work)]
    environment = os.environ | {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    output = work / "result.json"
    with (
        (work / "log.txt").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process,
        sample_memory(process.pid, read_sample, every_s=0.2) as samples,
    ):
        process.wait()
    if process.returncode:
        raise RuntimeError((work / "log.txt").read_text(encoding="utf-8")[-4000:])
    peaks = dict(zip(Sample._fields, map(max, zip(*samples, strict=True)), strict=True))
    return json.loads(output.read_text(encoding="utf-8")) | peaks


def run_task(task: str, stage: str, rows: int, processes: int, work: Path) -> None:
    """Make the model, or prepare a stage; write the result to a file."""
    result = make_model(work) if task == "model" else prepare(stage, rows, processes, work)
    (work / "result.json").write_text(json.dumps(result), encoding="utf-8")


def make_model(work: Path) -> dict[str, Any]:
    """Make a tiny model with a byte-level BPE of 32,000 words, trained on made-up texts."""
    from training.models.initial_model import make_tiny_model
    from training.settings.model import TinyModelSettings

    settings = TinyModelSettings(
        tokenizer="byte_bpe", vocab_size=32_000, hidden_size=32, heads=1, intermediate_size=32,
        layers=1, context_tokens=MAX_TOKENS,
    )  # fmt: skip
    write = make_writer(0)
    conversations = [[{"role": "user", "content": write(300)}] for _ in range(CORPUS_ROWS)]
    make_tiny_model(settings, conversations, work / "model", seed=0)
    return {"tokens": 0, "file": 0}


def make_writer(seed: int) -> Any:
    """Return a function that writes a text of about `words` words, from 60,000 made-up words."""
    letters = random.Random(0)
    words = [
        "".join(letters.choices("etaoinshrdlucmfwypvbgkjqxz", range(26, 0, -1), k=length))
        for length in letters.choices(range(2, 10), k=60_000)
    ]
    # some words are frequent, as in a language
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    pool = random.Random(1).choices(words, weights, k=1_000_000)
    dice = random.Random(seed)

    def write(count: int) -> str:
        start = dice.randrange(len(pool) - 2 * count - 1)
        return " ".join(pool[start : start + dice.randint(count // 2, 2 * count - count // 2)])

    return write


def make_rows(stage: str, rows: int) -> Iterator[Any]:
    """Make the rows of a stage, a few thousand at a time."""
    import polars as pl

    write = make_writer(1)

    def turn(role: str, count: int) -> list[dict[str, str]]:
        return [{"role": role, "content": write(count)}]

    for first in range(0, rows, MADE_AT_ONCE):
        keys = [f"{key:032x}" for key in range(first, min(rows, first + MADE_AT_ONCE))]
        if stage == "sft":
            messages = [turn("user", 40) + turn("assistant", 70) for _ in keys]
            yield pl.DataFrame({"row_key": keys, "messages": messages})
            continue
        prompts = [turn("user", 40) for _ in keys]
        sides = {side: [turn("assistant", 70) for _ in keys] for side in ("chosen", "rejected")}
        yield pl.DataFrame({"pair_id": keys, "prompt_id": keys, "prompt": prompts, **sides})


def prepare(stage: str, rows: int, processes: int, work: Path) -> dict[str, Any]:
    """Launch one step of a stage; return the tokens of its examples and the bytes of their file."""
    import polars as pl

    from training import reference_logps
    from training.runs import examples
    from training.runs.launch import launch
    from training.stages import STAGES as REGISTRY

    found = {"tokens": 0, "file": 0}
    write_examples = examples.write_examples

    def count(given: Any, make: Any, folder: Path) -> None:
        def make_and_count(part: pl.DataFrame) -> Any:
            kept, dropped = make(part)
            ids = [name for name in kept.columns if name.endswith("_ids")]
            twice = [name for name in ids if name == "prompt_ids"]  # read with both sides
            found["tokens"] += sum(kept[name].list.len().sum() for name in [*ids, *twice])
            return kept, dropped

        write_examples(given, make_and_count, folder)
        found["file"] = (folder / examples.EXAMPLES).stat().st_size

    examples.write_examples = count
    registered = REGISTRY[stage]
    settings = registered.settings(
        max_steps=1, batch_size=2 * processes, micro_batch_size=2, max_tokens=MAX_TOKENS,
        processes=processes, logging_steps=1, checkpoint_steps=1,
    )  # fmt: skip
    given: Any = make_rows(stage, rows)
    if stage == "dpo":

        def skip(wanted: Iterable[pl.DataFrame], *_: Any, commit: Any, **__: Any) -> None:
            for chunk in wanted:
                commit(
                    chunk.select(
                        "sequence_id",
                        completion_tokens=pl.lit(1, pl.Int32),
                        logp=pl.lit(-100.0),
                    )
                )

        reference_logps.compute_logps = skip
        given = reference_logps.add_reference_logps(
            given, work / "model", work / "model", settings, dtype="float32"
        ).pairs
    start = {registered.start: work / "model"}
    launch(stage, given, work / "trained", settings, seed=0, dtype="float32", **start)
    return found


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in ("model", "prepare"):
        task, stage, rows, processes, work = sys.argv[1:]
        run_task(task, stage, int(rows), int(processes), Path(work))
    else:
        typer.run(main)
