"""The rows that the processes of each training read, and what is wrong with them.

The processes write them (`bench/rehearsal/hooks/sitecustomize.py`). Not here: the lake
(`bench.rehearsal.outcome`).
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

SCHEMA = {
    "training": pl.String,
    "rank": pl.Int64,
    "step": pl.Int64,
    "examples": pl.String,
    "rows": pl.List(pl.String),
}
"""One row per micro-batch: the training's folder, the process, the optimiser step from 0, a hash of
all examples that the process has, and hashes of the rows that it reads."""


def read_batches(folder: Path) -> pl.DataFrame:
    """Read what the processes of all trainings wrote."""
    files = sorted(folder.glob("*.jsonl"))
    return pl.concat(
        [pl.DataFrame(schema=SCHEMA), *(pl.read_ndjson(f, schema=SCHEMA) for f in files)]
    )


def find_batch_problems(batches: pl.DataFrame, *, processes: int, trainings: int) -> Iterator[str]:
    """Check that the processes of a training have equal examples, and read other rows in each step.

    Args:
        batches: `SCHEMA`.
        processes: processes of every training.
        trainings: number of trainings.
    """
    by_training = batches.group_by("training", maintain_order=True)
    found = {name: rows for (name,), rows in by_training}
    if len(found) != trainings:
        yield f"batches of {len(found)} trainings, not of {trainings}"
    for name, rows in found.items():
        if rows["examples"].n_unique() != 1:
            yield f"{name}: the processes have other examples"
        reads = rows.explode("rows").unique(["rank", "step", "rows"])
        ranks = reads.group_by("step").agg(pl.col("rank").n_unique())["rank"]
        if set(ranks) != {processes}:
            yield f"{name}: a step without rows of all {processes} processes"
        shared = reads.filter(pl.len().over("step", "rows") > 1)
        if shared.height:
            yield f"{name}: two processes read the same rows in {shared['step'].n_unique()} steps"
