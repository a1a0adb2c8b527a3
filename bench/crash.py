"""Kill -9 at random moments of the loop: what is lost, what is there twice, what is done again.

A small quickstart loop runs once undisturbed. Then it runs in a lake of its own and is killed, with
all of its processes, until the given number of kills is reached; every start goes on where the last
one stopped. A loop that finishes in between is compared, and a new one is begun. A kill falls in
the k-th asset that a start works on (k is drawn), at a moment drawn from the time that this asset
took undisturbed, so that kills meet stages, and not the minutes of imports before them.

The peer is the undisturbed run: a table's keys must be the same set, each once. Responses are drawn
at temperature 1, so which prompts give a pair differs by chance; pairs and dropped pairs together
are one row per prompt. `repeated_chunks` counts chunks of rows that were committed twice, from the
tables' history.

Processes are forked from one that has imported everything: imports take longer than the stages.

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
    "evaluation.samples=2",
)
"""The quickstart, scaled down; every table has several chunks."""

PRELOADED = (
    "assets.cli.run",
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
"""Tables whose keys come from the sampled texts: only counted twice, not compared."""
CHUNKED = {"generations": 32, "scores": 32}
"""Rows of a chunk, of tables that are appended to in chunks."""


def forked(work: Callable[[], Any], log: Path | None = None) -> int:
    """Run `work` in a child that leads a process group of its own; its number."""
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
    """Start, or go on with, the loop of a home."""
    from assets.cli.run import run_study

    recipe = ROOT / "recipes" / "quickstart.yaml"
    return forked(lambda: run_study(recipe, ["iterative"], None, [], home, list(SETTINGS)), log)


def finished(pid: int) -> bool:
    """Tell whether a child has ended by itself.

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
    """Start the loop and kill it; the asset that was at work, or None when it ended first."""
    log.touch()
    offset = log.stat().st_size
    pid = start_loop(home, log)
    wanted = draw.randint(1, 3)
    while not finished(pid):
        with log.open(encoding="utf-8", errors="replace") as lines:
            lines.seek(offset)
            started = [match[1] for match in STARTED.finditer(lines.read())]
        if len(started) >= wanted:
            time.sleep(draw.uniform(0, seconds.get(started[wanted - 1], 1.0)))
            if finished(pid):
                return None
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return started[-1]
        time.sleep(0.02)
    return None


def keys_of(home: Path) -> dict[str, list[list]]:
    """Read the keys of every table of a finished lake, as lists that JSON can hold."""
    import polars as pl

    from transforms.lake.lake import Lake

    lake = Lake(home / "lake")
    found = {}
    for name, key in KEYS.items():
        tables = [table for table in name.split(" or ") if lake.exists(table)]
        rows = pl.concat([lake.read(table).select(key) for table in tables]) if tables else None
        found[name] = [] if rows is None else [list(row) for row in rows.rows()]
    return found


def appended_again(home: Path) -> int:
    """Count chunks of rows that were committed more often than they stand in the table."""
    from transforms.lake.lake import Lake

    lake, chunks = Lake(home / "lake"), 0
    for table, rows in CHUNKED.items():
        added = sum(
            int(commit.get("operationMetrics", {}).get("num_added_rows", 0))
            for commit in lake.delta(table).history()
        )
        chunks += -(-(added - lake.height(table)) // rows)
    return chunks


def look(home: Path) -> dict[str, Any]:
    """Look at a finished lake in a child, since a process that has used polars must not fork."""
    with tempfile.NamedTemporaryFile(suffix=".json") as answer:

        def write() -> None:
            found = {"keys": keys_of(home), "repeated_chunks": appended_again(home)}
            Path(answer.name).write_text(json.dumps(found), encoding="utf-8")

        _, status = os.waitpid(forked(write), 0)
        if status:
            raise RuntimeError(f"the lake in {home} cannot be read")
        return json.loads(Path(answer.name).read_text(encoding="utf-8"))


def compare(found: dict[str, list], expected: dict[str, list]) -> tuple[Counter, Counter, Counter]:
    """Count keys that are missing, that are there twice, and that nobody asked for, by table."""
    lost, doubled, strange = Counter(), Counter(), Counter()
    for table in KEYS:
        ours = Counter(map(tuple, found[table]))
        doubled[table] = sum(ours.values()) - len(ours)
        if table not in SAMPLED:
            theirs = set(map(tuple, expected[table]))
            lost[table], strange[table] = len(theirs - set(ours)), len(set(ours) - theirs)
    return lost, doubled, strange


def main(
    kills: Annotated[int, typer.Option(help="Kills in all.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the moments.")] = 0,
    work: Annotated[Path | None, typer.Option(help="Folder to keep; a temporary one else.")] = None,
) -> None:
    """Kill the loop again and again, and compare what it leaves with an undisturbed run."""
    for module in PRELOADED:
        importlib.import_module(module)
    importlib.import_module("assets.cli.console").quiet_teardown()
    os.environ["COLUMNS"] = "200"  # the log's lines are not to be wrapped
    draw, folder = random.Random(seed), work or Path(tempfile.mkdtemp(prefix="crash-"))
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "undisturbed.log"
    _, status = os.waitpid(start_loop(folder / "undisturbed", log), 0)
    if status:
        raise RuntimeError(f"the undisturbed run failed: {log}")
    seconds = {match[1]: float(match[3]) for match in DONE.finditer(log.read_text("utf-8"))}
    expected = look(folder / "undisturbed")["keys"]
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
                raise RuntimeError(f"the loop cannot go on: {log}")
        found = look(home)
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
