"""One table of several seeds: a report of each lake, averaged, with the error between seeds.

Lives here: the average, and that the lakes are of different seeds. Not here: the reports.

A lake's standard errors say how far other prompts would move a figure, and nothing of another
training; the error between seeds holds both. A difference of two models is taken within each lake
first, so that it is paired by seed.
"""

from collections.abc import Sequence

import polars as pl
import polars.selectors as cs

from transforms.errors import InputError
from transforms.formats import short_id
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints
from transforms.lake.schemas.columns import SHARED
from transforms.measures.clustered import error_of_mean

SEEDS = "seeds"


def over_seeds(reports: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Average a report over seeds.

    Args:
        reports: the same report of each seed's lake. Rows of equal texts and `iteration` belong
            together; ids, which are a lake's own, are left out.

    Returns:
        The keys; seeds (lakes that have the row); of every figure x its mean over seeds, x_se (its
        standard deviation over seeds, over the square root of their number; null with one seed),
        and x_within_se, the mean of the lakes' own errors, where the report has one. A figure that
        one of the row's lakes lacks is null; one that no row has, is left out. A whole number that
        no two lakes have otherwise, such as a count of prompts, stays one, without an error.

    Raises:
        InputError: the report has no figure.
    """
    rows = pl.concat(reports).drop(cs.ends_with("_id"))
    keys = [name for name in rows.columns if name == "iteration" or rows.schema[name] == pl.String]
    errors = {f"{name}_se" for name in rows.columns} & {*rows.columns}
    others = rows.select(cs.numeric() | cs.boolean()).columns
    figures = [name for name in others if name not in errors and name not in keys]
    if not figures:
        raise InputError(
            "a report cannot be averaged over seeds",
            expected="columns with figures",
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
    averaged = rows.group_by(keys, maintain_order=True).agg(columns)
    for name in figures:
        spread = averaged[f"{name}_se"].drop_nulls()
        if rows.schema[name].is_integer() and len(spread) and spread.max() == 0:
            averaged = averaged.drop(f"{name}_se").cast({name: pl.Int64})
    unknown = [name for name in figures if averaged[name].null_count() == averaged.height]
    parts = [name + suffix for name in unknown for suffix in ("", "_se", "_within_se")]
    return averaged.drop(parts, strict=False)


def require_other_seeds(lakes: Sequence[Lake]) -> None:
    """Refuse lakes that are not of different seeds, each with a fine-tuned policy of its own.

    Raises:
        InputError: two of them have the same pi_0, or there is one lake only.
    """
    policies = [checkpoints.find_latest(lake, "sft_policy", SHARED).checkpoint_id for lake in lakes]
    if len(lakes) < 2 or len(set(policies)) < len(lakes):
        named = zip(lakes, policies, strict=True)
        raise InputError(
            "these lakes are not several seeds",
            expected="two lakes or more, each with a fine-tuned policy of its own",
            found="; ".join(
                f"{lake.root}: sft_policy {short_id(policy)}" for lake, policy in named
            ),
            remedy="run the recipe with --set seed=1 --set sample_task.seed=1 in another --home",
        )
