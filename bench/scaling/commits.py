"""Latency of a commit as its table gets more versions."""

import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from bench.scaling.responses import Texts
from transforms.lake.chunks import Chunks
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.lake.upkeep.maintenance import maintain
from transforms.settings.commits import CommitSettings

TABLE = "scores"
ROWS = 2048
"""Rows of a measured commit: 256 prompts with eight responses."""
SAMPLES = 30
"""Measured commits at a number of versions."""
FILL_ROWS = 8
"""Rows of the commits between: they only add versions."""


def make_rows(name: str, count: int) -> pl.DataFrame:
    """Make rows of scores with ids that are new for each name."""
    return pl.DataFrame(
        {
            "experiment": "bench",
            "iteration": 1,
            "prompt_id": [f"{name}{number:016d}" for number in range(count)],
            "response_index": 0,
            "reward": [float(number) for number in range(count)],
        },
        schema_overrides={"iteration": pl.Int32, "response_index": pl.Int32},
    ).pipe(_add_missing)


def _add_missing(rows: pl.DataFrame) -> pl.DataFrame:
    absent = [
        pl.lit(None, kind).alias(name)
        for name, kind in schema_of(TABLE).items()
        if name not in rows.columns
    ]
    return rows.with_columns(absent).select(list(schema_of(TABLE)))


def measure_latency(lake: Lake, marks: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Measure commits of one chunk each at several numbers of versions.

    A lake that has some of the versions goes on from there.

    Args:
        lake: the lake; only this function writes to it.
        marks: numbers of versions, ascending.

    Yields:
        Median clock milliseconds and mean processor milliseconds of a commit, by versions.
    """
    for mark in marks:
        versions = lake.version(TABLE) + 1 if lake.exists(TABLE) else 0
        if versions > mark:
            continue
        for version in range(versions, mark):
            _commit(lake, make_rows(f"fill{version:08d}", FILL_ROWS))
        yield {"versions": mark, **_sample(lake, mark)}


def measure_after_upkeep(lake: Lake) -> dict[str, Any]:
    """Measure commits after `prefloop maintain` has removed all versions that it may remove."""
    started = time.perf_counter()
    done = maintain(lake, retention_hours=0, dry_run=False).row(0, named=True)
    elapsed_s = time.perf_counter() - started
    return {
        "versions": lake.version(TABLE) + 1,
        "removed_versions": done["versions_to_remove"],
        "maintain_s": round(elapsed_s, 1),
        **_sample(lake, -1),
    }


def measure_merged(lake: Lake, rows: int, chunk_rows: int) -> dict[str, Any]:
    """Measure one commit of many chunks of responses, as `commits.rows` allows."""
    n = 8
    prompts = pl.Series("p", [f"{number:032x}" for number in range(rows // n)])
    drawn = Texts(0).draw(prompts, n)
    absent = [
        pl.lit({"experiment": "bench", "iteration": 1}.get(name), kind).alias(name)
        for name, kind in schema_of("generations").items()
        if name not in drawn.columns
    ]
    table = drawn.with_columns(absent).select(list(schema_of("generations")))
    started, used = time.perf_counter(), time.process_time()
    with Chunks(lake, "generations", CommitSettings(rows=rows, seconds=1e9)) as append:
        for chunk in table.iter_slices(chunk_rows):
            append(chunk)
    elapsed_s, cpu_s = time.perf_counter() - started, time.process_time() - used
    files = [f.bytes for f in lake.store.list_files("tables/generations") if "_log" not in f.path]
    return {
        "rows": table.height,
        "chunks": -(-table.height // chunk_rows),
        "commits": lake.version("generations") + 1,
        "elapsed_s": round(elapsed_s, 2),
        "cpu_us_per_row": round(cpu_s / table.height * 1e6, 1),
        "text_bytes": int(table["response"].str.len_bytes().sum()),
        "file_bytes": sum(files),
    }


def _sample(lake: Lake, mark: int) -> dict[str, float]:
    walls, used = [], time.process_time()
    for number in range(SAMPLES):
        rows = make_rows(f"mark{mark:08d}_{number:04d}", ROWS)
        started = time.perf_counter()
        _commit(lake, rows)
        walls.append(time.perf_counter() - started)
    cpu_ms = (time.process_time() - used) / SAMPLES * 1e3
    return {
        "commit_ms": round(statistics.median(walls) * 1e3, 1),
        "commit_cpu_ms": round(cpu_ms, 1),
    }


def _commit(lake: Lake, rows: pl.DataFrame) -> None:
    with Chunks(lake, TABLE, CommitSettings(seconds=0)) as append:
        append(rows)
