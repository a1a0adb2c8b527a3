"""Dress rehearsal: the graph of recipes/llama3_8b.yaml on a two-layer model in two processes.

The recipe's processes, sharding, replicas, packing, gradient checkpointing, contexts and data
layouts run from raw files to the evaluation, on made-up rows in the columns of its sources. Then
the lake is checked. The exit status is 1 if a step fails or a check finds a problem. What this
cannot show is in docs/measured/gpu.md. An interrupted rehearsal goes on in the same folder.

The last line is JSON.

    python bench/rehearse.py
    python bench/rehearse.py --break-policy     # must fail: sharded models have bfloat16 outputs
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from bench.rehearsal.small_recipe import PROCESSES, list_replaced, write_study  # noqa: E402

HOOKS = ROOT / "bench" / "rehearsal" / "hooks"
ROWS = 40
"""Rows per source."""


def run_study(recipe: Path, home: Path, *, broken: bool) -> int:
    """Run `prefloop run` on a recipe; return its exit status."""
    paths = [HOOKS, ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    batches = home.parent / "batches"
    batches.mkdir(exist_ok=True)
    environment = os.environ | {
        "REHEARSAL_BATCHES": str(batches),
        "REHEARSAL_FAULT": "1" if broken else "",
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", "from assets.cli.app import app; app()"]
    command += ["run", str(recipe), "--home", str(home)]
    return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode


def check_lake(recipe: Path, home: Path) -> list[str]:
    """Print the trainings of a finished rehearsal; return its problems."""
    from assets.cli.console import print_table
    from bench.rehearsal.batches import find_batch_problems, read_batches
    from bench.rehearsal.outcome import find_problems, summarize_trainings
    from training.recipe_file import load_recipe
    from transforms.lake.lake import Lake

    lake = Lake(home / "lake")
    trainings, batches = summarize_trainings(lake), read_batches(home.parent / "batches")
    print_table(trainings)
    return [
        *find_problems(load_recipe(recipe), lake),
        *find_batch_problems(batches, processes=PROCESSES, trainings=trainings.height),
    ]


def main(
    work: Annotated[
        Path | None, typer.Option(help="Folder that is kept; else a temporary one.")
    ] = None,
    rows: Annotated[int, typer.Option(help="Rows per source.", min=30)] = ROWS,
    break_policy: Annotated[
        bool, typer.Option(help="Make the outputs of sharded models bfloat16: it must fail.")
    ] = False,
) -> None:
    """Run the small copy of the 8B recipe, and check what it made."""
    folder = (work or Path(tempfile.mkdtemp(prefix="rehearsal-"))).resolve()
    recipe, home = folder / "rehearsal.yaml", folder / "home"
    if not recipe.exists():
        write_study(folder, rows)
    print("\n".join(["Replaced settings; all others are as shipped:", *list_replaced(recipe), ""]))
    started = time.monotonic()
    status = run_study(recipe, home, broken=break_policy)
    problems = [f"prefloop run ended with status {status}"] if status else check_lake(recipe, home)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print("\n".join(["", *(f"problem: {problem}" for problem in problems)]))
    facts = {
        "bench": "rehearsal",
        "passed": not problems,
        "problems": problems,
        "elapsed_s": round(time.monotonic() - started),
        "processor_s": round(used.ru_utime + used.ru_stime),
        "folder": str(folder),
    }
    print(json.dumps(facts))
    raise typer.Exit(bool(problems))


if __name__ == "__main__":
    typer.run(main)
