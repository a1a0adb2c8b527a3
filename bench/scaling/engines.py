"""Engines that share the rows of a stage: what the driver needs per row, and the speed-up."""

import time
from pathlib import Path
from typing import Any

import polars as pl

from bench.scaling.sleeping_engine import SleepSettings
from training.engine.replicas import StageCommand, run_on_replicas
from training.settings.model import DeviceSettings
from transforms.lake.chunks import Chunks
from transforms.lake.lake import Lake
from transforms.pairs.responses import Keys
from transforms.pairs.sampler_places import Draw
from transforms.settings.commits import CommitSettings

COMMAND = StageCommand(
    "bench.scaling.sleeping_engine", rows="prompts", key="prompt_id", unit="response"
)

PLANNED_ROWS_PER_S = 17.3
"""Responses per second of LLaMA-3-8B on an H100, by `prefloop plan recipes/llama3_8b.yaml`: 480,000
in 7.70 GPU-hours. Planned, not measured."""


def run_engines(
    root: Path, engines: int, chunks: int, settings: SleepSettings, commits: CommitSettings
) -> dict[str, Any]:
    """Let engines share the prompts of a stage, and commit their chunks to a new lake.

    Args:
        root: folder of the lake.
        engines: number of processes.
        chunks: mean chunks per engine; a hash divides the prompts.
        settings: of the stand-ins.
        commits: when chunks are committed.

    Returns:
        Rows per second from the first to the last chunk, and the driver's processor time per row,
        with reading the chunks and committing them.
    """
    lake, ids = Lake(root), range(engines * chunks * settings.chunk_prompts)
    prompts = pl.DataFrame({"prompt_id": [f"{number:032x}" for number in ids]})
    draws = [Draw(0, "current", 0, settings.n, 1.0, 1.0)]
    keys = Keys("bench", 1, policy_id="p", sampling_id="s", draws=draws, n=settings.n)
    constants = {
        "temperature": pl.lit(1.0),
        "top_p": pl.lit(1.0),
        "max_tokens": pl.lit(2048, pl.Int32),
        "seed": pl.lit(0, pl.Int64),
    }
    arrivals: list[tuple[float, float, int]] = []
    with Chunks(lake, "generations", commits) as append:

        def commit(chunk: pl.DataFrame) -> None:
            arrivals.append((time.perf_counter(), time.process_time(), chunk.height))
            append(keys.add_to(chunk.with_columns(**constants)))

        run_on_replicas(
            COMMAND,
            prompts,
            [{}] * engines,
            DeviceSettings(replicas=engines),
            settings=settings,
            commit=commit,
            description=f"{engines} engines",
        )
    ended, used = time.perf_counter(), time.process_time()
    (began, used_before, first), rows = arrivals[0], lake.height("generations")
    if rows != prompts.height * settings.n:
        raise RuntimeError(f"{rows} rows of {prompts.height * settings.n} are in the lake")
    later = rows - first
    return {
        "engines": engines,
        "rows": rows,
        "chunks": len(arrivals),
        "commits": lake.version("generations") + 1,
        "rows_per_s": round(later / (ended - began), 1),
        "driver_cpu_us_per_row": round((used - used_before) / later * 1e6, 1),
    }


def describe_bound(results: list[dict[str, Any]], chunk_rows: int, engines: int) -> dict[str, Any]:
    """Compute the share of the ideal speed-up, and what one driver could do for more engines.

    The bound is the driver's processor time: one core commits so many rows per second. It is
    extrapolated: the lake, the disk and the network are taken to keep up.

    Args:
        results: of `run_engines`, with the smallest number of engines first.
        chunk_rows: rows of a chunk.
        engines: number of engines to extrapolate to.
    """
    first = results[0]["rows_per_s"] / results[0]["engines"]
    for result in results:
        ideal = first * result["engines"]
        result["share_of_ideal"] = round(result["rows_per_s"] / ideal, 3)
    bound = 1e6 / results[-1]["driver_cpu_us_per_row"]
    return {
        "driver_rows_per_s": round(bound),
        "driver_chunks_per_s": round(bound / chunk_rows, 1),
        "extrapolated": {
            kind: {
                "engine_rows_per_s": round(each, 1),
                "engines_at_bound": round(bound / each),
                "engines": engines,
                "share_of_ideal": round(min(1.0, bound / (each * engines)), 3),
            }
            for kind, each in {"stand_in": first, "planned_h100": PLANNED_ROWS_PER_S}.items()
        },
    }
