"""What grows with a study: commits of a table, rows of preference pairs, engines of one driver.

`commits`: the time of a commit of 2,048 rows, each chunk by itself, when its table has 0, 2,000 and
10,000 versions; after `prefloop maintain`; and of one commit of 65,536 responses. `pairs`: memory
of `prefloop run` until `preference_pairs` (`bench/pipeline_memory.py`). `engines`: processes that
sleep in place of a GPU, share the rows of a stage; their chunks are committed by this process. The
speed-up is that of rows per second between the first and the last chunk. The driver's processor
time per row bounds the number of engines; the figures for 64 are extrapolated, for engines as fast
as the stand-in and for those that `prefloop plan` expects.

The sizes by default take a few minutes. With `--folder` an interrupted measurement goes on: the
versions, the file of pairs and the finished assets of a run are kept.

    python bench/scale.py
    python bench/scale.py --versions 0,2000,10000 --folder /tmp/scale --parts commits
    python bench/scale.py --pairs 3000000 --folder /tmp/scale --parts pairs
    python bench/scale.py --engines 1,2,4 --parts engines

The last line is JSON.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from bench.pipeline_memory import run_pipeline, write_pairs, write_recipe  # noqa: E402
from bench.scaling.commits import (  # noqa: E402
    measure_after_upkeep,
    measure_latency,
    measure_merged,
)
from bench.scaling.engines import describe_bound, run_engines  # noqa: E402
from bench.scaling.sleeping_engine import SleepSettings  # noqa: E402
from transforms.lake.lake import Lake  # noqa: E402
from transforms.settings.commits import CommitSettings  # noqa: E402

EXTRAPOLATED = 64
LIMIT_MIB = 3 * 1024
"""Memory that 3,000,000 pairs may need."""


def measure_commits(folder: Path, marks: list[int], rows: int) -> dict[str, Any]:
    """Measure commits, and print each figure as soon as it is there."""
    lake, found = Lake(folder / "commits"), []
    for latency in measure_latency(lake, marks):
        print(latency, flush=True)
        found.append(latency)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        merged = measure_merged(Lake(place), rows, chunk_rows=512)
    print(merged, flush=True)
    return {"latency": found, "after_maintain": measure_after_upkeep(lake), "merged": merged}


def measure_pairs(folder: Path, rows: int) -> dict[str, Any]:
    """Measure the memory of the assets until `preference_pairs` that a run still makes."""
    work = folder / f"pairs_{rows}"
    work.mkdir(exist_ok=True)
    file, unfinished = work / "pairs.parquet", work / "unfinished.parquet"
    if not file.exists():
        write_pairs(unfinished, rows)
        unfinished.rename(file)
    write_recipe(work, near_duplicates=False)
    measured, results = run_pipeline(work, ["preference_pairs"]), work / "measured.json"
    known = json.loads(results.read_text()) if results.exists() else {}
    assets = {**known, **measured}
    results.write_text(json.dumps(assets))
    most = max((one["resident_mib"] for one in assets.values()), default=0)
    return {"rows": rows, "peak_mib": most, "within_limit": most <= LIMIT_MIB, "assets": assets}


def measure_engines(folder: Path, counts: list[int], chunks: int, chunk_s: float) -> dict[str, Any]:
    """Measure engines, the smallest number first."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)  # of the engines' processes
    settings, results = SleepSettings(chunk_s=chunk_s), []
    for engines in sorted(counts):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            found = run_engines(Path(place), engines, chunks, settings, CommitSettings(seconds=5))
        print(found, flush=True)
        results.append(found)
    bound = describe_bound(results, settings.chunk_prompts * settings.n, EXTRAPOLATED)
    return {"stand_in": "a process that sleeps", "results": results, **bound}


def main(
    parts: Annotated[str, typer.Option(help="Comma-separated parts.")] = "commits,pairs,engines",
    versions: Annotated[str, typer.Option(help="Comma-separated numbers of versions.")] = "0,500",
    merged_rows: Annotated[int, typer.Option(help="Rows of the one large commit.")] = 65_536,
    pairs: Annotated[int, typer.Option(help="Preference pairs.")] = 50_000,
    engines: Annotated[str, typer.Option(help="Comma-separated numbers of engines.")] = "1,2,4",
    chunks: Annotated[int, typer.Option(help="Chunks per engine.")] = 20,
    chunk_s: Annotated[float, typer.Option(help="Seconds of a chunk.")] = 1.0,
    folder: Annotated[Path | None, typer.Option(help="Folder that is kept.")] = None,
) -> None:
    """Measure what grows with a study."""
    with tempfile.TemporaryDirectory(prefix="scale-") as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        measures = {
            "commits": lambda: measure_commits(place, _parse(versions), merged_rows),
            "pairs": lambda: measure_pairs(place, pairs),
            "engines": lambda: measure_engines(place, _parse(engines), chunks, chunk_s),
        }
        results = {part: measures[part]() for part in parts.split(",")}
    print(json.dumps({"bench": "scale", **results}))


def _parse(numbers: str) -> list[int]:
    return [int(number) for number in numbers.split(",")]


if __name__ == "__main__":
    typer.run(main)
