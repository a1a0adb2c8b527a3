"""Averages over seeds: one report of several lakes, with the standard error between seeds.

Not here: the reports (`sql/reports`).

The standard errors of one lake cover the choice of prompts, not another training run; the error
between seeds covers both. A difference of two models is computed within each lake first, so it is
paired by seed.
"""

import json
from collections.abc import Sequence

import polars as pl
import polars.selectors as cs

from transforms.errors import InputError
from transforms.lake.asset_names import INITIAL_POLICIES
from transforms.lake.lake import Lake
from transforms.lake.schemas.table import ORDER
from transforms.measures.clustered import error_of_mean

SEEDS = "seeds"
CLEAR = 2
"""Standard errors from zero at which a difference counts as told from zero in a seed."""
PARTS = ("", "_se", "_within_se", "_above", "_below")


def average_over_seeds(reports: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Average a report over seeds.

    Args:
        reports: the same report of each seed's lake. Rows are matched by their text columns and
            `iteration`. Columns of ids are dropped: they differ between lakes.

    Returns:
        The keys; seeds (number of lakes that have the row); for every number x its mean over seeds,
        x_se (its standard deviation over seeds divided by the square root of their number; null
        with one seed), and x_within_se, the mean of the lakes' own errors, if the report has them.
        For a difference (`_difference` or `_minus_` in its name) with own errors also x_above and
        x_below: in how many seeds it is more than two of these errors above and below zero.
        A number is null if one of the row's lakes has none, and its column is dropped if all rows
        are null. A whole number that is equal in all lakes, such as a count of prompts, stays a
        whole number without an error.

    Raises:
        InputError: the report has no column of numbers.
    """
    rows = pl.concat(reports).drop(cs.ends_with("_id"))
    keys = [name for name in rows.columns if name == "iteration" or rows.schema[name] == pl.String]
    errors = {f"{name}_se" for name in rows.columns} & {*rows.columns}
    others = rows.select(cs.numeric() | cs.boolean()).columns
    figures = [name for name in others if name not in errors and name not in keys]
    if not figures:
        raise InputError(
            "a report cannot be averaged over seeds",
            expected="columns of numbers",
            found=", ".join(rows.columns),
            remedy="name another report",
        )

    columns = [pl.len().alias(SEEDS)]
    for name in figures:
        known, value = pl.col(name).is_not_null().all(), pl.col(name).cast(pl.Float64)
        columns += [
            pl.when(known).then(value.mean()).alias(name),
            pl.when(known).then(error_of_mean(value)).alias(f"{name}_se"),
        ]
        if f"{name}_se" in errors:
            within = pl.col(f"{name}_se").mean()
            columns.append(pl.when(known).then(within).alias(f"{name}_within_se"))
            if name.endswith("_difference") or "_minus_" in name:
                columns += [
                    pl.when(known).then(clear.sum()).alias(f"{name}_{side}")
                    for side, clear in (
                        ("above", value > CLEAR * pl.col(f"{name}_se")),
                        ("below", value < -CLEAR * pl.col(f"{name}_se")),
                    )
                ]
    averaged = rows.group_by(keys, maintain_order=True).agg(columns)
    for name in figures:
        spread = averaged[f"{name}_se"].drop_nulls()
        if rows.schema[name].is_integer() and len(spread) and spread.max() == 0:
            averaged = averaged.drop(f"{name}_se").cast({name: pl.Int64})
    unknown = [name for name in figures if averaged[name].null_count() == averaged.height]
    parts = [name + suffix for name in unknown for suffix in PARTS]
    return averaged.drop(parts, strict=False)


def require_different_seeds(lakes: Sequence[Lake]) -> None:
    """Check that the lakes have different seeds.

    Raises:
        InputError: two lakes have the same seed, one has no π₀, or there is only one lake.
    """
    seeds = [find_seed(lake.read("checkpoints")) for lake in lakes]
    if not are_different(seeds):
        found = zip(lakes, seeds, strict=True)
        raise InputError(
            "these lakes do not have different seeds",
            expected="at least two lakes, each of another seed",
            found="; ".join(
                f"{lake.root}: {'no π₀' if seed is None else f'seed {seed}'}"
                for lake, seed in found
            ),
            remedy="run the recipe with --set seed=1 --set sample_task.seed=1 in another --home",
        )


def find_seed(checkpoints: pl.DataFrame) -> int | None:
    """Return the seed of a study, as recorded with its last π₀; None without π₀.

    Args:
        checkpoints: the lake's table.
    """
    initial = checkpoints.filter(pl.col("asset").is_in(INITIAL_POLICIES)).sort(ORDER)
    return json.loads(initial["settings"][-1])["seed"] if initial.height else None


def are_different(seeds: Sequence[int | None]) -> bool:
    """Check whether several lakes have a seed each, and no two the same one."""
    return len(seeds) > 1 and None not in seeds and len(set(seeds)) == len(seeds)
