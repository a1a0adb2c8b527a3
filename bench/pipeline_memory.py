"""Memory of the preparation of preference pairs, asset by asset, at several numbers of pairs.

Makes a parquet file of `standard_pairs` (row groups of 20,000 rows, three pairs per prompt, about
3.3 KB of text per row), and runs `prefloop run` on it in a process of its own, in a new lake.
Memory is measured ten times per second: the resident set, and the part of it that is no page of a
file. The log of the run tells which asset is made. The memory at the first asset is that of the
libraries; the allocator keeps some memory from one asset to the next.

    python bench/pipeline_memory.py --rows 100000,300000
    python bench/pipeline_memory.py --rows 100000,300000 --until preference_tokens

The last line is JSON. `slope` is the further bytes of resident memory per further row.
"""

import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet
import typer
import yaml

GROUP_ROWS = 20_000
PAIRS_PER_PROMPT = 3
PROMPT_WORDS, RESPONSE_WORDS = 40, 225
VOCABULARY = 60_000
POLL_S = 0.1
STARTS = re.compile(r"(\w+) \[shared\] starts")

TURNS = pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))


class Peak(NamedTuple):
    """The most memory of a process while an asset was made, bytes."""

    resident: int
    anonymous: int
    """Pages that belong to no file."""


def main(
    rows: Annotated[str, typer.Option(help="Comma-separated numbers of pairs.")] = "100000,300000",
    until: Annotated[
        str, typer.Option(help="Comma-separated assets to stop at.")
    ] = "mixture_pairs,prompts",
    near_duplicates: Annotated[bool, typer.Option(help="Search near duplicates, too.")] = False,
    folder: Annotated[Path | None, typer.Option(help="Folder for the files.")] = None,
) -> None:
    """Measure the memory of the preparation of preference pairs."""
    measured: dict[int, dict[str, dict[str, float]]] = {}
    for count in map(int, rows.split(",")):
        with tempfile.TemporaryDirectory(prefix="bench-", dir=folder) as work:
            write_pairs(Path(work) / "pairs.parquet", count)
            write_recipe(Path(work), near_duplicates=near_duplicates)
            measured[count] = run_pipeline(Path(work), until.split(","))
        for asset, found in measured[count].items():
            print(f"{count:>9} {asset:18}" + "".join(f" {k} {v:.0f}" for k, v in found.items()))
    print(json.dumps({"bench": "pipeline_memory", "results": list_results(measured)}))


def list_results(measured: dict[int, dict[str, dict[str, float]]]) -> list[dict[str, Any]]:
    """List the figures of each asset and number of rows, with the slope to the smaller number."""
    results = []
    before: dict[str, tuple[int, float]] = {}
    for rows, assets in measured.items():
        for asset, found in assets.items():
            result = {"asset": asset, "rows": rows, **found}
            if asset in before:
                fewer, mib = before[asset]
                result["slope"] = round((found["resident_mib"] - mib) * 2**20 / (rows - fewer))
            before[asset] = rows, found["resident_mib"]
            results.append(result)
    return results


def write_pairs(path: Path, rows: int) -> None:
    """Write comparisons of made-up words; frequent words are frequent, as in a language."""
    dice = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    lengths = dice.integers(2, 10, VOCABULARY)
    words = np.array(
        ["".join(letters[dice.geometric(0.12, n) % len(letters)]) for n in lengths], object
    )
    weights = 1 / np.arange(1, VOCABULARY + 1)
    pool = dice.choice(VOCABULARY, 1 << 20, p=weights / weights.sum())

    def write(texts: int, mean: int) -> list[str]:
        sizes = dice.integers(mean // 2, mean + mean // 2 + 1, texts)
        drawn = words[pool[dice.integers(0, len(pool), sizes.sum())]]
        return [" ".join(part) for part in np.split(drawn, np.cumsum(sizes)[:-1])]

    schema = pa.schema({"chosen": TURNS, "rejected": TURNS})
    with pyarrow.parquet.ParquetWriter(path, schema) as file:
        for first in range(0, rows, GROUP_ROWS):
            count = min(GROUP_ROWS, rows - first)
            prompts = write(-(-count // PAIRS_PER_PROMPT), PROMPT_WORDS)
            sides = {}
            for side in ("chosen", "rejected"):
                sides[side] = [
                    [
                        {"role": "user", "content": prompts[number // PAIRS_PER_PROMPT]},
                        {"role": "assistant", "content": text},
                    ]
                    for number, text in enumerate(write(count, RESPONSE_WORDS))
                ]
            file.write_table(pa.table(sides, schema), row_group_size=GROUP_ROWS)


def write_recipe(work: Path, *, near_duplicates: bool) -> None:
    """Write a recipe with a one-layer model whose only preferences and prompts are the pairs."""
    roles = ["preferences", "prompts"]
    tiny = {"layers": 1, "context_tokens": 8192, "tokenizer": "byte_bpe"}
    recipe = {
        "name": "pipeline-memory",
        "model": {"tiny": tiny},
        "sample_task": {"demonstrations": 2000},
        "sources": {
            "demos": {"entry": "messages", "roles": ["demonstrations"], "sample_task": True},
            "pairs": {"entry": "standard_pairs", "roles": roles, "files": ["pairs.parquet"]},
        },
        "prompts": {"near_duplicates": {} if near_duplicates else None},
        "sft": {},
        "reward_model": {},
        "loop": {"sampling": {"max_tokens": 1024, "max_context_tokens": 4096}},
    }
    (work / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")


def run_pipeline(work: Path, until: list[str]) -> dict[str, dict[str, float]]:
    """Run the recipe; return the memory and the time of each asset, in the order of the run."""
    prefloop = Path(sys.executable).with_name("prefloop")
    command = [str(prefloop), "run", str(work / "recipe.yaml")]
    command += ["--home", str(work / "home"), *(f"--until={asset}" for asset in until)]
    peaks: dict[str, Peak] = {}
    started: dict[str, float] = {}
    asset, log = "start", []
    done = threading.Event()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:

        def sample() -> None:
            one = psutil.Process(process.pid)
            while not done.wait(POLL_S):
                found = read_peak(one)
                before = peaks.get(asset, Peak(0, 0))
                peaks[asset] = Peak(*map(max, found, before))

        thread = threading.Thread(target=sample)
        thread.start()
        assert process.stderr
        for line in process.stderr:
            log.append(line)
            if start := STARTS.search(line):
                asset = start[1]
                started[asset] = time.monotonic()
        done.set()
        thread.join()
    if process.returncode:
        raise RuntimeError("".join(log)[-4000:])
    ends = [*started.values(), time.monotonic()]
    return {
        asset: {
            "resident_mib": round(peaks[asset].resident / 2**20),
            "anonymous_mib": round(peaks[asset].anonymous / 2**20),
            "elapsed_s": round(end - start, 1),
        }
        for (asset, start), end in zip(started.items(), ends[1:], strict=True)
        if asset in peaks
    }


def read_peak(process: psutil.Process) -> Peak:
    """Read the memory of a process now; zero if it has ended."""
    try:
        text = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    except OSError:
        return Peak(0, 0)
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE))
    return Peak(int(found.get("VmRSS", 0)) * 1024, int(found.get("RssAnon", 0)) * 1024)


if __name__ == "__main__":
    typer.run(main)
