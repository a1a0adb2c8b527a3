"""A team's prefloop on one machine: the loop through Postgres, an object store, Ray and Dagster.

The small recipe (bench/team/study.yaml) runs first on this machine alone, undisturbed. Then servers
are started, all on loopback: Postgres (history, locks), SeaweedFS (lake, checkpoints), a Ray
cluster of two nodes (sampling, scoring, training), Dagster's page and daemon. `prefloop run` makes
the same study in the bucket; with `--kills`, it is killed at random moments and started again. Keys
of all tables and ids of models are compared with the undisturbed run's. Last, two runs of the page
are launched at once; each makes the first iteration of another experiment, as a job of the Ray
cluster, and the second must wait until the first has ended. The servers are stopped at the end,
also after an error or Ctrl-C.

The exit status is 1 if a row is missing, doubled or unexpected. The last line is JSON.

    python bench/team_demo.py
    python bench/team_demo.py --kills 5
"""

import json
import os
import random
import secrets
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from assets.cli.console import print_table  # noqa: E402
from bench.team.driver import LOCAL, Driver, read_seconds  # noqa: E402
from bench.team.kills import draw_moments, run_killed  # noqa: E402
from bench.team.programs import require_programs  # noqa: E402
from bench.team.services import BUCKET, Services, run_services  # noqa: E402

RECIPE = ROOT / "bench" / "team" / "study.yaml"
LAKE = f"s3://{BUCKET}/team_demo"
PAGE_S = 3600.0
"""Longest run of the page."""
PRIVATE = ("PREFLOOP_POSTGRES", "PREFLOOP_LAKE", "PREFLOOP_HOME", "PREFLOOP_CACHE", "RAY_ADDRESS")
"""Variables of the caller's own study, which the demonstration must not touch."""


def run_driver(
    driver: Driver, undisturbed: dict[str, float], kills: int, seed: int
) -> dict[str, Any]:
    """Run the driver, killed at random moments or not; return the figures of it."""
    if not kills:
        return {"driver_s": driver.run().ended_s}
    moments = draw_moments(undisturbed, kills, random.Random(seed))
    print(f"seed {seed}: {', '.join(f'{m.asset} + {m.after_s} s' for m in moments)}", flush=True)
    made, elapsed_s = run_killed(driver, moments, [*undisturbed])
    return {"seed": seed, "driver_s": elapsed_s, "kills": [asdict(kill) for kill in made]}


def run_page(services: Services, lake: str, problems: list[str]) -> dict[str, Any]:
    """Let two runs of the page make an iteration of another experiment; add what is wrong."""
    from bench.team.comparison import compare_experiments
    from bench.team.page import Page, find_page_problems

    page = Page(services.ports["page"])
    started = time.monotonic()
    launched = [page.launch("iteration_1", "raft_concise") for _ in range(2)]
    runs = [page.wait(run, PAGE_S) for run in launched]
    elapsed_s = round(time.monotonic() - started, 1)
    if found := find_page_problems(runs):
        problems += found
    elif differences := compare_experiments(lake, "iterative", "raft_concise", 1):
        problems.append(f"the runs of the page: {differences} keys that one experiment lacks")
    return {
        "page_s": elapsed_s,
        "runs_of_the_page": runs,
        "history": page.list_statuses(),
    }


def main(
    kills: Annotated[int, typer.Option(help="How often the driver is killed.", min=0)] = 0,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the moments of the kills; else a new one.")
    ] = None,
    until: Annotated[
        list[str] | None, typer.Option(help="Stop at this asset, as `prefloop run` does.")
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="Folder that is kept; else a temporary one.")
    ] = None,
) -> None:
    """Run the small loop through all servers, and compare its tables with an undisturbed run."""
    from bench.team.comparison import compare_models, count_differences, find_problems

    require_programs()
    folder = (work or Path(tempfile.mkdtemp(prefix="team-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # Postgres runs as another user
    for name in PRIVATE:
        os.environ.pop(name, None)
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    alone = Driver(RECIPE, folder / "alone", str(folder / "alone" / "lake"), until or (), LOCAL)
    print(f"alone: {alone.log}", flush=True)
    facts: dict[str, Any] = {"bench": "team_demo", "alone_s": alone.run().ended_s}
    undisturbed = read_seconds(alone.log.read_text("utf-8", errors="replace"))
    team = Driver(RECIPE, folder / "team", LAKE, until or ())
    with run_services(folder, RECIPE, LAKE) as services:
        print(f"page: http://127.0.0.1:{services.ports['page']}", flush=True)
        print(f"team: {team.log}", flush=True)
        facts["starts_s"] = services.seconds
        drawn = secrets.randbelow(10_000) if seed is None else seed
        facts |= run_driver(team, undisturbed, kills, drawn)
        differences = count_differences(LAKE, alone.lake)
        models = compare_models(LAKE, alone.lake)
        print_table(differences)
        print_table(models)
        problems = find_problems(differences, models)
        facts |= run_page(services, LAKE, problems)
    facts |= {"rows": dict(differences.select("table", "rows").iter_rows())}
    facts |= {"equal_weights": dict(models.iter_rows())}
    print("\n".join(["", *(f"problem: {problem}" for problem in problems)]))
    print(json.dumps(facts | {"passed": not problems, "problems": problems, "folder": str(folder)}))
    raise typer.Exit(bool(problems))


if __name__ == "__main__":
    typer.run(main)
