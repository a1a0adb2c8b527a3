"""Crash test: kill -9 at random moments of the loop; count lost rows, duplicates, repeated chunks.

A small quickstart loop runs once without a kill. Then it runs in its own lake and is killed, with
all of its processes, until the given number of kills is reached; every start resumes where the last
one stopped. When a loop finishes, its tables are compared and a new loop starts. A kill happens
during the k-th asset of a start (k is random), after a random part of the time that this asset took
without kills. So kills happen in stages, not in the minutes of imports before them.

The comparison is with the run without kills: a table must have the same keys, each once. Responses
are sampled at temperature 1, so it is random which prompts give a pair; pairs and dropped pairs
together are one row per prompt. `repeated_chunks` counts chunks of rows that were committed twice,
according to the history of the tables.

Processes are forked from one that has imported everything, because imports take longer than stages.

The last line is JSON.

    python bench/crash.py --kills 100
"""

import importlib
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).resolve().parents[1]
STARTED = re.compile(r"(\S+) \[(\w+)\] starts")
DONE = re.compile(r"(\S+) \[(\w+)\] done in ([\d.]+) s")

SETTINGS = (
    "sample_task.demonstrations=1200",
    "sample_task.preference_pairs=1200",
    "sample_task.prompts=600",
    "splits.prompts_per_iteration=64",
    "splits.evaluation_prompts=24",
    "splits.validation_prompts=16",
    "model.tiny.layers=1",
    "loop.iterations=2",
    "loop.sampling.n=4",
    "loop.sampling.max_tokens=24",
    "loop.sampling.chunk_prompts=8",
    "loop.scoring.chunk_rows=32",
    "commits.seconds=0.5",
    "evaluation.samples=2",
)
"""Settings that make the quickstart small; every table still has several chunks and commits."""

PRELOADED = (
    "assets.cli.study_run.run",
    "trl.trainer.dpo_trainer",
    "trl.trainer.reward_trainer",
    "trl.trainer.sft_trainer",
    "vllm",
)

LOOP = ["experiment", "iteration", "prompt_id"]
KEYS = {
    "demonstrations": ["source", "row_key"],
    "preference_pairs": ["pair_id"],
    "mixture_pairs": ["mixture", "pair_id"],
    "preference_tokens": ["pair_id"],
    "prompts": ["prompt_id"],
    "prompt_splits": ["prompt_id", "split"],
    "dropped_rows": ["table", "source", "row_key", "reason"],
    "generations": [*LOOP, "response_index"],
    "scores": [*LOOP, "response_index"],
    "dpo_pairs or dropped_pairs": LOOP,
    "reference_logps": ["reference_id", "sequence_id"],
    "checkpoints": ["experiment", "asset"],
    "evaluation_responses": [*LOOP, "model", "split", "decoding", "response_index"],
    "selected_policies": ["experiment"],
}
SAMPLED = {"reference_logps"}
"""Tables whose keys depend on sampled texts: checked for duplicates only."""
CHUNKED = {"generations": 32, "scores": 32}
"""Rows per chunk of the tables that are written in chunks."""


def fork(work: Callable[[], Any], log: Path | None = None) -> int:
    """Run `work` in a child process with its own process group; return its process id."""
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    if log is not None:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
    status = 1
    try:
        work()
        status = 0
    finally:
        sys.stdout.flush()
        os._exit(status)


def start_loop(home: Path, log: Path) -> int:
    """Start or resume the loop of a home; return its process id."""
    from assets.cli.study_run.run import run_study

    recipe = ROOT / "recipes" / "quickstart.yaml"
    return fork(lambda: run_study(recipe, ["iterative"], None, [], home, None, list(SETTINGS)), log)


def check_finished(pid: int) -> bool:
    """Check whether a child process has ended without a kill.

    Raises:
        RuntimeError: it ended with an error.
    """
    found, status = os.waitpid(pid, os.WNOHANG)
    if found and status:
        raise RuntimeError(f"the loop ended with status {status}")
    return bool(found)


def run_until_killed(
    home: Path, log: Path, seconds: dict[str, float], draw: random.Random
) -> str | None:
    """Start the loop and kill it; return the asset that was running, or None if the loop ended."""
    log.touch()
    offset = log.stat().st_size
    pid = start_loop(home, log)
    wanted = draw.randint(1, 3)
    while not check_finished(pid):
        with log.open(encoding="utf-8", errors="replace") as lines:
            lines.seek(offset)
            started = [match[1] for match in STARTED.finditer(lines.read())]
        if len(started) >= wanted:
            time.sleep(draw.uniform(0, seconds.get(started[wanted - 1], 1.0)))
            if check_finished(pid):
                return None
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return started[-1]
        time.sleep(0.02)
    return None


def read_keys(place: Path | str) -> dict[str, list[list]]:
    """Read the keys of every table of a finished lake, as lists for JSON."""
    import polars as pl

    from transforms.lake.lake import Lake

    lake = Lake(place)
    found = {}
    for name, key in KEYS.items():
        tables = [table for table in name.split(" or ") if lake.exists(table)]
        rows = pl.concat([lake.read(table).select(key) for table in tables]) if tables else None
        found[name] = [] if rows is None else [list(row) for row in rows.rows()]
    return found


def count_repeated_chunks(place: Path | str) -> int:
    """Count chunks of rows that were committed more than once."""
    from transforms.lake.lake import Lake

    lake, chunks = Lake(place), 0
    for table, rows in CHUNKED.items():
        added = sum(
            int(commit.get("operationMetrics", {}).get("num_added_rows", 0))
            for commit in lake.delta(table).history()
        )
        chunks += -(-(added - lake.height(table)) // rows)
    return chunks


def inspect_lake(home: Path) -> dict[str, Any]:
    """Read a finished lake in a child process, because a process that used polars must not fork."""
    with tempfile.NamedTemporaryFile(suffix=".json") as answer:

        def write() -> None:
            lake = home / "lake"
            found = {"keys": read_keys(lake), "repeated_chunks": count_repeated_chunks(lake)}
            Path(answer.name).write_text(json.dumps(found), encoding="utf-8")

        _, status = os.waitpid(fork(write), 0)
        if status:
            raise RuntimeError(f"the lake in {home} cannot be read")
        return json.loads(Path(answer.name).read_text(encoding="utf-8"))


def compare(found: dict[str, list], expected: dict[str, list]) -> tuple[Counter, Counter, Counter]:
    """Count missing keys, duplicate keys and unexpected keys by table."""
    lost, doubled, strange = Counter(), Counter(), Counter()
    for table in KEYS:
        ours = Counter(map(tuple, found[table]))
        doubled[table] = sum(ours.values()) - len(ours)
        if table not in SAMPLED:
            theirs = set(map(tuple, expected[table]))
            lost[table], strange[table] = len(theirs - set(ours)), len(set(ours) - theirs)
    return lost, doubled, strange


def main(
    kills: Annotated[int, typer.Option(help="Total number of kills.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the times of the kills.")] = 0,
    work: Annotated[
        Path | None, typer.Option(help="Folder that is kept; else a temporary one.")
    ] = None,
) -> None:
    """Kill the loop many times, and compare its tables with those of a run without kills."""
    for module in PRELOADED:
        importlib.import_module(module)
    importlib.import_module("transforms.teardown").quiet_teardown()
    os.environ["COLUMNS"] = "200"  # lines of the log must not be wrapped
    draw, folder = random.Random(seed), work or Path(tempfile.mkdtemp(prefix="crash-"))
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "undisturbed.log"
    _, status = os.waitpid(start_loop(folder / "undisturbed", log), 0)
    if status:
        raise RuntimeError(f"the run without kills failed: {log}")
    seconds = {match[1]: float(match[3]) for match in DONE.finditer(log.read_text("utf-8"))}
    expected = inspect_lake(folder / "undisturbed")["keys"]
    killed, lakes, repeated = Counter(), 0, 0
    lost, doubled, strange = Counter(), Counter(), Counter()
    while sum(killed.values()) < kills or lakes == 0:
        lakes += 1
        home, log = folder / f"killed_{lakes}", folder / f"killed_{lakes}.log"
        ended = False
        while not ended and sum(killed.values()) < kills:
            asset = run_until_killed(home, log, seconds, draw)
            ended = asset is None
            if asset is not None:
                killed[asset] += 1
                print(f"kill {sum(killed.values())}: lake {lakes}, in {asset}", flush=True)
        if not ended:
            _, status = os.waitpid(start_loop(home, log), 0)
            if status:
                raise RuntimeError(f"the loop cannot resume: {log}")
        found = inspect_lake(home)
        repeated += found["repeated_chunks"]
        for total, part in zip(
            (lost, doubled, strange), compare(found["keys"], expected), strict=True
        ):
            total.update(part)
        print(f"lake {lakes}: lost {+lost}, doubled {+doubled}, strange {+strange}", flush=True)
    result = {
        "bench": "crash",
        "kills": sum(killed.values()),
        "lost": sum(lost.values()),
        "doubled": sum(doubled.values()),
        "strange": sum(strange.values()),
        "repeated_chunks": repeated,
        "seed": seed,
        "lakes": lakes,
        "rows": {table: len(keys) for table, keys in expected.items()},
        "kills_by_asset": dict(killed),
        "by_table": {"lost": +lost, "doubled": +doubled, "strange": +strange},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    typer.run(main)
