"""Paired bootstrap over prompts: standard errors and intervals of means and ratios.

Lives here: the resampling, by `scipy.stats.bootstrap`. Not here: the measures themselves
(`transforms.measures.evaluation` and other modules).

Responses to one prompt are not independent, so a draw takes whole prompts: n of n prompts, with
replacement, each with all its rows. A comparison of two models uses only the prompts that both
answered, and a draw takes both models' rows of a prompt: the difference of two models varies less
than each of them. Intervals are bias-corrected and accelerated (BCa; Efron 1987,
https://doi.org/10.1080/01621459.1987.10478410). Where BCa is not defined (all draws give the same
value), they are percentiles of the same draws. With one prompt there is neither error nor interval.

    estimate_mean(rows)                               one model: rows of prompt_id, value
    estimate_ratio(rows, "response_chars", "prompt_chars")
    estimate_means(rows, by=["model", "metric"])      many at once, as a frame
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from transforms.errors import InputError

BATCH_CELLS = 1 << 22
"""Cells in a batch of draws, one row per draw and one column per prompt: 32 MiB."""


class Resampling(NamedTuple):
    """Settings of the bootstrap."""

    level: float = 0.95
    """Share of such intervals that contain the true value."""
    draws: int = 2_000
    """Number of draws."""
    seed: int = 0
    """Seed of the draws: equal rows give equal intervals."""


class Estimate(NamedTuple):
    """A statistic with its standard error and interval, all in the unit of the statistic."""

    value: float
    standard_error: float | None
    """Standard deviation over the draws; None with one prompt."""
    low: float | None
    high: float | None
    prompts: int


Weighted = Callable[[np.ndarray], np.ndarray]
"""Weights [draws, prompts], how often a draw took a prompt -> values [statistics, draws]."""


def estimate_mean(
    rows: pl.DataFrame, value: str = "value", how: Resampling | None = None
) -> Estimate:
    """Estimate a mean over prompts.

    Args:
        rows: prompt_id and the value, one or several rows per prompt; they are first averaged
            within each prompt. Nulls do not count.
        value: name of the column.
        how: draws, level, seed.

    Raises:
        InputError: no value.
    """
    means = _average_within_prompts(rows, value)
    return _estimate_row_means(means[value].to_numpy()[None], how)[0]


def estimate_ratio(
    rows: pl.DataFrame, numerator: str, denominator: str, how: Resampling | None = None
) -> Estimate:
    """Estimate the ratio of two means over prompts, such as lengths; both are of the same draws.

    Args:
        rows: prompt_id and both columns; a row with a null in one of them does not count.
        numerator: name of a column.
        denominator: name of a column, positive.
        how: draws, level, seed.

    Raises:
        InputError: no row has both.
    """
    means = _average_within_prompts(rows, numerator, denominator)
    above, below = means[numerator].to_numpy(), means[denominator].to_numpy()

    def divide(weights: np.ndarray) -> np.ndarray:
        return ((weights @ above) / (weights @ below))[None]

    return _estimate(divide, len(above), how)[0]


def estimate_means(
    rows: pl.DataFrame, by: Sequence[str], value: str = "value", how: Resampling | None = None
) -> pl.DataFrame:
    """Estimate the mean over prompts of every group.

    Args:
        rows: the columns `by`, prompt_id and the value, as in `estimate_mean`.
        by: columns whose values identify a group.
        value: name of the column.
        how: draws, level, seed.

    Returns:
        One row per group, in the order of their first rows: by, value, standard_error, low, high,
        prompts. A group without any value has no row; a group with one prompt has nulls for the
        error and the interval.
    """
    by = list(by)
    prompt_means = (
        rows.drop_nulls(value)
        .group_by(*by, "prompt_id", maintain_order=True)
        .agg(pl.col(value).cast(pl.Float64).mean())
    )
    groups = prompt_means.group_by(by, maintain_order=True).agg(pl.col(value).sort_by("prompt_id"))
    return pl.concat([groups.select(by), _estimate_lists(groups[value], how)], how="horizontal")


def estimate_intervals(batch: Any) -> Any:
    """Estimate the interval of the mean of every list of values, one value per prompt.

    DuckDB calls it (`transforms.views.query`) and reads the type hints at runtime. They are `Any`
    because Arrow's types would have to be imported.

    Args:
        batch: pyarrow.ChunkedArray of lists of float64, sorted by prompt, so that the result does
            not depend on the order of rows. Nulls do not count.

    Returns:
        pyarrow.Array of one struct (low, high) per list; nulls for a list of fewer than two values.
    """
    lists = pl.Series(pl.from_arrow(batch), dtype=pl.List(pl.Float64)).list.drop_nulls()
    usable = (lists.list.len() > 1).fill_null(False)
    found = _estimate_lists(lists.filter(usable), None).select(
        "low", "high", row=pl.Series(usable.arg_true())
    )
    rows = pl.DataFrame({"row": pl.int_range(len(lists), dtype=pl.UInt32, eager=True)})
    joined = rows.join(found, on="row", how="left", maintain_order="left")
    return joined.select(pl.struct("low", "high")).to_series().to_arrow()


def _estimate_lists(lists: pl.Series, how: Resampling | None) -> pl.DataFrame:
    """Estimate the mean of every list; lists of equal length share their draws."""
    counts = lists.list.len()
    found: dict[int, Estimate] = {}
    for prompts in counts.unique():
        places = (counts == prompts).arg_true()
        stacked = np.array(lists.gather(places).to_list())
        found |= dict(zip(places, _estimate_row_means(stacked, how), strict=True))
    columns = {**dict.fromkeys(Estimate._fields[:-1], pl.Float64), "prompts": pl.Int64}
    return pl.DataFrame([found[i] for i in range(len(lists))], columns, orient="row")


def _average_within_prompts(rows: pl.DataFrame, *values: str) -> pl.DataFrame:
    """Average within prompts, sorted by prompt: the result does not depend on the rows' order."""
    return (
        rows.drop_nulls(values)
        .group_by("prompt_id")
        .agg(pl.col(values).cast(pl.Float64).mean())
        .sort("prompt_id")
    )


def _estimate_row_means(values: np.ndarray, how: Resampling | None) -> list[Estimate]:
    """Estimate the mean of each row of values [statistics, prompts]."""
    return _estimate(lambda weights: values @ weights.T / weights.sum(axis=1), values.shape[1], how)


def _estimate(weighted: Weighted, prompts: int, how: Resampling | None) -> list[Estimate]:
    """Draw prompts and estimate every statistic."""
    # imported here, since it takes a second and the web server loads this module
    from scipy import stats

    how = how or Resampling()
    if not prompts:
        raise InputError(
            "an estimate needs at least one value",
            expected="at least one prompt with a value",
            found="none",
            remedy="evaluate first, or check the filter",
        )
    values = weighted(np.ones((1, prompts)))[:, 0].tolist()
    if prompts == 1:
        return [Estimate(value, None, None, None, 1) for value in values]

    def compute(places: np.ndarray, axis: int) -> np.ndarray:
        """Turn places [draws, prompts] into weights; scipy also passes a single draw [prompts]."""
        draws = np.atleast_2d(places)
        cells = draws + prompts * np.arange(len(draws))[:, None]
        weights = np.bincount(cells.ravel(), minlength=prompts * len(draws))
        figures = weighted(weights.reshape(len(draws), prompts).astype(np.float64))
        return figures.reshape(len(figures), *places.shape[:-1])

    options = {"confidence_level": how.level, "vectorized": True, "rng": how.seed}
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter(
            "ignore", stats.DegenerateDataWarning
        )  # replaced by percentiles below
        drawn = stats.bootstrap(
            (np.arange(prompts),),
            compute,
            n_resamples=how.draws,
            batch=max(1, BATCH_CELLS // prompts),
            method="BCa",
            **options,
        )
    percentiles = stats.bootstrap(
        (np.arange(prompts),),
        compute,
        n_resamples=0,
        bootstrap_result=drawn,
        method="percentile",
        **options,
    )
    low, high = (
        np.where(np.isnan(exact), plain, exact).tolist()
        for exact, plain in zip(
            drawn.confidence_interval, percentiles.confidence_interval, strict=True
        )
    )
    errors = drawn.standard_error.tolist()
    return [Estimate(*row, prompts) for row in zip(values, errors, low, high, strict=True)]
