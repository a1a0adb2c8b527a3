"""Comparison of two lakes of the same recipe: keys of rows, and ids of models.

A response depends on what was sampled before it, so a run that was killed while it sampled goes on
with other texts. Keys are equal all the same, and so are the weights of models whose training reads
no sampled text.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from bench.crash import KEYS, compare, read_keys
from transforms.lake.lake import Lake
from transforms.lake.records.checkpoints import TABLE

UNSAMPLED = ("initial_model", "sft_policy", "offline_dpo", "reward_model")
"""Models whose training reads no sampled text."""


def count_differences(found: Path | str, expected: Path | str) -> pl.DataFrame:
    """Compare the keys of all tables; one row per table.

    Columns: table, rows (of the first lake), missing, unexpected, doubled. `reference_logps` has
    keys of sampled texts, which are compared for doubled ones only.
    """
    keys, others = read_keys(found), read_keys(expected)
    missing, doubled, unexpected = compare(keys, others)
    return pl.DataFrame(
        [
            (table, len(keys[table]), missing[table], unexpected[table], doubled[table])
            for table in KEYS
        ],
        schema=["table", "rows", "missing", "unexpected", "doubled"],
        orient="row",
    )


def compare_experiments(place: Path | str, first: str, second: str, iteration: int) -> int:
    """Count keys of an iteration's sampled rows that only one of two experiments of a lake has."""
    lake, differences, keys = Lake(place), 0, ["prompt_id", "response_index"]
    for table in ("generations", "scores"):
        one, other = (
            lake.read(table, experiment=name, iteration=iteration).select(keys)
            for name in (first, second)
        )
        differences += one.join(other, on=keys, how="anti").height
        differences += other.join(one, on=keys, how="anti").height + (one.height == 0)
    return differences


def compare_models(found: Path | str, expected: Path | str) -> pl.DataFrame:
    """Compare the ids of models by their asset; columns: asset, equal."""
    ours, theirs = (_read_ids(place) for place in (found, expected))
    return ours.join(theirs, on=["experiment", "asset"], how="full", coalesce=True).select(
        "asset", equal=pl.col("checkpoint_id").eq_missing(pl.col("checkpoint_id_right"))
    )


def find_problems(differences: pl.DataFrame, models: pl.DataFrame) -> list[str]:
    """Describe rows that are missing, unexpected or doubled, and weights that are not equal."""
    counts: Sequence[str] = ("missing", "unexpected", "doubled")
    wrong = differences.filter(pl.any_horizontal(pl.col(*counts) > 0))
    problems = [
        f"{row['table']}: " + ", ".join(f"{row[name]} {name}" for name in counts)
        for row in wrong.iter_rows(named=True)
    ]
    unequal = models.filter(~pl.col("equal") & pl.col("asset").is_in(UNSAMPLED))
    return problems + [f"{asset}: other weights" for asset in unequal["asset"]]


def _read_ids(place: Path | str) -> pl.DataFrame:
    """Return the last id of each model: experiment, asset, checkpoint_id."""
    rows = Lake(place).read(TABLE).sort("commit_version", maintain_order=True)
    return rows.group_by("experiment", "asset", maintain_order=True).agg(
        pl.col("checkpoint_id").last()
    )
