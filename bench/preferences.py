"""HH-RLHF rows to standard pairs: this project against Hugging Face `datasets`.

Ours: `transforms.sources.intake.ingest.ingest` (gzipped JSON lines to a raw Delta table, malformed
rows to the ledger) and `standardise_pairs` (turns, rules, ids, duplicates, ledger, Delta commits).
The peer: `load_dataset`, `map` and `filter` in two processes, `to_parquet`; the same turns, rules
and ids, but no ledger and no raw table. Each runs in its own process, after a small file as
warm-up; they alternate. Peak memory is measured in another run: the proportional share (Linux) of
the process and its children, twenty times per second, so that shared pages are counted once.

The rows are those of the data pack, repeated; each repetition has its number in the first turn.
Without the pack, the rows are made up. The last line is JSON. `ratio` is the peer's time divided by
ours (medians), `memory_ratio` our peak divided by the peer's, `scaling` our time for ten times the
rows divided by our time for the rows.

    python bench/preferences.py --rows 92000 --repetitions 3
"""

import gzip
import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from inputs import DATA
from isal import igzip
from process_memory import sample_memory

WAYS = Path(__file__).with_name("preference_ways.py")
MARK = b"<mark>"
MEMORY_ROWS = 2_000_000
PARTS = ("speed", "scaling", "memory")


def main(
    rows: Annotated[int, typer.Option(help="Rows of HH-RLHF to prepare.")] = 92_000,
    repetitions: Annotated[int, typer.Option(help="Timed runs of each, alternating.")] = 3,
    parts: Annotated[str, typer.Option(help=f"Comma-separated: {','.join(PARTS)}.")] = ",".join(
        PARTS
    ),
) -> None:
    """Measure the preparation of standard pairs from HH-RLHF's files."""
    result: dict[str, Any] = {"bench": "preferences", "rows": rows}
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        folder = Path(work)
        for part in parts.split(","):
            measure = {
                "speed": measure_speed,
                "scaling": measure_scaling,
                "memory": measure_memory,
            }[part]
            result |= measure(folder, rows, repetitions)
    print(json.dumps(result))


def measure_speed(folder: Path, rows: int, repetitions: int) -> dict[str, Any]:
    """Measure time and peak memory of both on the same rows."""
    file = write_rows(folder / "rows.jsonl.gz", rows)
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}
    peaks: dict[str, int] = {}
    with start_warm_worker("ours", folder) as ours, start_warm_worker("peer", folder) as peer:
        for repetition in range(repetitions):
            order = [ours, peer] if repetition % 2 else [peer, ours]
            for worker in order:
                runs[worker.way].append(worker.run(file))
        kept = []
        for worker in (ours, peer):
            with sample_memory(worker.process.pid, read_share, every_s=0.05) as samples:
                kept.append(worker.list_kept(file))
            (peaks[worker.way],) = max(samples)
    assert kept[0] == kept[1], "the two sides keep different pairs"
    print(f"{rows:,} rows, {len(kept[0]):,} pairs kept by both")
    for name, measured in runs.items():
        seconds = ", ".join(f"{run['wall_s']:.2f}" for run in measured)
        cpu = ", ".join(f"{run['cpu_s']:.2f}" for run in measured)
        print(f"{name}: {seconds} s; processor {cpu} s; peak {peaks[name] / 2**20:.0f} MiB")
        for stage in measured[0]["stages_s"]:
            each = ", ".join(f"{run['stages_s'][stage]:.2f}" for run in measured)
            print(f"  {stage}: {each} s")
    medians = {
        (name, what): statistics.median(run[what] for run in measured)
        for name, measured in runs.items()
        for what in ("wall_s", "cpu_s")
    }
    return {
        "ratio": round(medians["peer", "wall_s"] / medians["ours", "wall_s"], 2),
        "cpu_ratio": round(medians["peer", "cpu_s"] / medians["ours", "cpu_s"], 2),
        "memory_ratio": round(peaks["ours"] / peaks["peer"], 3),
        **{
            f"{name}_{what}": [round(run[what], 2) for run in measured]
            for name, measured in runs.items()
            for what in ("wall_s", "cpu_s")
        },
        "kept": len(kept[0]),
    }


def measure_scaling(folder: Path, rows: int, _: int) -> dict[str, Any]:
    """Divide our time for ten times the rows by our time for the rows."""
    files = {n: write_rows(folder / f"{n}.jsonl.gz", n) for n in (rows, 10 * rows)}
    with start_warm_worker("ours", folder) as ours:
        runs = {
            n: [ours.run(file) for _ in range(1 if n > rows else 3)] for n, file in files.items()
        }
    found = {}
    for what in ("wall_s", "cpu_s"):
        few, many = (statistics.median(run[what] for run in measured) for measured in runs.values())
        print(f"{what}: {rows:,} rows {few:.2f}, {10 * rows:,} rows {many:.2f}")
        found[what] = round(many / few, 2)
    return {"scaling": found["wall_s"], "cpu_scaling": found["cpu_s"]}


def measure_memory(folder: Path, *_: int) -> dict[str, Any]:
    """Measure our peak memory on two million rows."""
    file = write_rows(folder / "many.jsonl.gz", MEMORY_ROWS)
    with (
        start_warm_worker("ours", folder) as ours,
        sample_memory(ours.process.pid, read_share, every_s=0.05) as samples,
    ):
        run = ours.run(file)
    (peak,) = max(samples)
    print(f"{MEMORY_ROWS:,} rows: {run['wall_s']:.1f} s, peak {peak / 2**20:.0f} MiB")
    return {"peak_bytes_2m": peak, "wall_s_2m": round(run["wall_s"], 1)}


class Worker:
    """A process that prepares files, one after another."""

    def __init__(self, way: str, folder: Path) -> None:
        """Start the process; `way` is ours or peer."""
        self.way = way
        self.process = subprocess.Popen(
            [sys.executable, str(WAYS), way, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, file: Path, ids_file: Path | None = None) -> dict[str, Any]:
        """Prepare a file; return wall_s, cpu_s and stages_s."""
        order = [str(file), ids_file and str(ids_file)]
        print(json.dumps(order), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def list_kept(self, file: Path) -> list[str]:
        """Prepare a file; return the ids of the pairs that are kept, sorted."""
        ids_file = file.with_suffix(f".{self.way}")
        self.run(file, ids_file)
        return ids_file.read_text().split("\n")


@contextmanager
def start_warm_worker(way: str, folder: Path) -> Iterator[Worker]:
    """Start a worker and warm it up with a small file; end it after the body."""
    worker = Worker(way, folder)
    try:
        worker.run(write_rows(folder / "small.jsonl.gz", 500))
        yield worker
    finally:
        worker.process.communicate()


def read_share(process: psutil.Process) -> tuple[int]:
    """Read the proportional share of a process, bytes."""
    return (process.memory_full_info().pss,)


def write_rows(path: Path, rows: int) -> Path:
    """Write gzipped JSON lines; repetition k of the base rows has ` (k)` in the first turn."""
    base = read_base_lines()
    with igzip.open(path, "wb", compresslevel=1) as file:
        for start in range(0, rows, len(base)):
            mark = f" ({start // len(base)})".encode()
            file.writelines(line.replace(MARK, mark) for line in base[: rows - start])
    return path


def read_base_lines() -> list[bytes]:
    """Read the pack's rows, or make rows up; `MARK` is where each repetition writes its number."""
    files = sorted((DATA / "hh-rlhf").glob("*_test.jsonl.gz"))
    texts = [gzip.decompress(file.read_bytes()).decode() for file in files]
    rows = [json.loads(line) for text in texts for line in text.split("\n") if line]
    first = "\n\nHuman:"
    return [
        json.dumps(
            {side: row[side].replace(first, f"{first}{MARK.decode()}", 1) for side in row},
            ensure_ascii=False,
        ).encode()
        + b"\n"
        for row in rows or make_up_rows()
    ]


def make_up_rows() -> list[dict[str, str]]:
    """Make random rows of about HH-RLHF's length: one to four exchanges; a few are malformed."""
    draw = random.Random(0)

    def words(count: int) -> str:
        return " ".join(
            draw.choice(("the", "model", "answers", "what", "was", "asked")) for _ in range(count)
        )

    rows = []
    for _ in range(4_000):
        turns = [
            f"\n\nHuman: {words(25)}\n\nAssistant: {words(40)}" for _ in range(draw.randint(0, 3))
        ]
        asked = "".join(turns) + f"\n\nHuman: {words(25)}\n\nAssistant:"
        sides = [f"{asked} {words(40)}" if draw.random() < 0.99 else asked for _ in range(2)]
        rows.append(dict(zip(("chosen", "rejected"), sides, strict=True)))
    return rows


if __name__ == "__main__":
    typer.run(main)
