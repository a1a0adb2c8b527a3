"""Paired bootstrap over prompts: standard errors and intervals of what is measured on prompts.

Lives here: the resampling, by `scipy.stats.bootstrap`. Not here: the measures themselves
(`transforms.measures.evaluation` and its neighbours).

Responses to one prompt are not independent, so the prompt is what is drawn: n of n prompts, with
replacement, each with all its rows. Where two models meet, only prompts that both answered count,
and a draw takes both models' rows of a prompt: the difference of two models varies less than either
does. Intervals are bias-corrected and accelerated (BCa; Efron 1987,
https://doi.org/10.1080/01621459.1987.10478410), and percentiles of the same draws where BCa is not
defined (every draw gives the same). With one prompt there is neither error nor interval.

    mean(rows)                                 one model: rows of prompt_id, value
    ratio(rows, "response_chars", "prompt_chars")
    means(rows, by=["model", "metric"])        many at once, as a frame
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from transforms.errors import InputError

BATCH_CELLS = 1 << 22
"""Cells of a batch of draws, a row per draw and a column per prompt: 32 MiB."""


class Resampling(NamedTuple):
    """How prompts are drawn."""

    level: float = 0.95
    """Share of such intervals that hold the true value."""
    draws: int = 2_000
    """Times that the prompts are drawn."""
    seed: int = 0
    """Seed of the draws; the same rows give the same interval."""


class Estimate(NamedTuple):
    """A figure and how well the prompts determine it, in the unit of the figure."""

    value: float
    standard_error: float | None
    """Standard deviation over the draws; None with one prompt."""
    low: float | None
    high: float | None
    prompts: int


Weighted = Callable[[np.ndarray], np.ndarray]
"""Weights [draws, prompts], how often a draw took a prompt -> figures [figures, draws]."""


def mean(rows: pl.DataFrame, value: str = "value", how: Resampling | None = None) -> Estimate:
    """Estimate a mean over prompts.

    Args:
        rows: prompt_id and the value, a row per prompt or several; the mean within each prompt is
            taken first. Nulls do not count.
        value: name of the column.
        how: draws, level, seed.

    Raises:
        InputError: no value.
    """
    return _means(_by_prompt(rows, value)[value].to_numpy()[None], how)[0]


def ratio(
    rows: pl.DataFrame, numerator: str, denominator: str, how: Resampling | None = None
) -> Estimate:
    """Estimate the ratio of two means over prompts, such as lengths; a draw takes both.

    Args:
        rows: prompt_id and both columns; rows without one of them do not count.
        numerator: name of a column.
        denominator: name of a column, positive.
        how: draws, level, seed.

    Raises:
        InputError: no row has both.
    """
    means = _by_prompt(rows, numerator, denominator)
    above, below = means[numerator].to_numpy(), means[denominator].to_numpy()

    def weighted(weights: np.ndarray) -> np.ndarray:
        return ((weights @ above) / (weights @ below))[None]

    return _estimate(weighted, len(above), how)[0]


def means(
    rows: pl.DataFrame, by: Sequence[str], value: str = "value", how: Resampling | None = None
) -> pl.DataFrame:
    """Estimate the mean over prompts of every group.

    Args:
        rows: the columns `by`, prompt_id and the value, as in `mean`.
        by: columns that name a group.
        value: name of the column.
        how: draws, level, seed.

    Returns:
        One row per group, in the order of their first rows: by, value, standard_error, low, high,
        prompts. A group without any value has no row; one of one prompt has nulls.
    """
    by = list(by)
    prompt_means = (
        rows.drop_nulls(value)
        .group_by(*by, "prompt_id", maintain_order=True)
        .agg(pl.col(value).cast(pl.Float64).mean())
    )
    groups = prompt_means.group_by(by, maintain_order=True).agg(pl.col(value).sort_by("prompt_id"))
    return pl.concat([groups.select(by), _of_lists(groups[value], how)], how="horizontal")


def interval_batches(batch: Any) -> Any:
    """Estimate the interval of the mean of every list of values, one value per prompt.

    The form in which DuckDB calls it (`transforms.lake.query`), which reads the types at runtime:
    Arrow's are not imported for it.

    Args:
        batch: pyarrow.ChunkedArray of lists of float64, sorted by prompt, so that the order of rows
            decides nothing. Nulls do not count.

    Returns:
        pyarrow.Array of one struct (low, high) per list; nulls where it has fewer than two values.
    """
    lists = pl.Series(pl.from_arrow(batch), dtype=pl.List(pl.Float64)).list.drop_nulls()
    usable = (lists.list.len() > 1).fill_null(False)
    found = _of_lists(lists.filter(usable), None).select(
        "low", "high", row=pl.Series(usable.arg_true())
    )
    rows = pl.DataFrame({"row": pl.int_range(len(lists), dtype=pl.UInt32, eager=True)})
    joined = rows.join(found, on="row", how="left", maintain_order="left")
    return joined.select(pl.struct("low", "high")).to_series().to_arrow()


def _of_lists(lists: pl.Series, how: Resampling | None) -> pl.DataFrame:
    """Estimate the mean of every list; those of as many values are drawn together."""
    counts = lists.list.len()
    found: dict[int, Estimate] = {}
    for prompts in counts.unique():
        places = (counts == prompts).arg_true()
        stacked = np.array(lists.gather(places).to_list())
        found |= dict(zip(places, _means(stacked, how), strict=True))
    columns = {**dict.fromkeys(Estimate._fields[:-1], pl.Float64), "prompts": pl.Int64}
    return pl.DataFrame([found[i] for i in range(len(lists))], columns, orient="row")


def _by_prompt(rows: pl.DataFrame, *values: str) -> pl.DataFrame:
    """Average within prompts, sorted by prompt, so that the order of rows decides nothing."""
    return (
        rows.drop_nulls(values)
        .group_by("prompt_id")
        .agg(pl.col(values).cast(pl.Float64).mean())
        .sort("prompt_id")
    )


def _means(values: np.ndarray, how: Resampling | None) -> list[Estimate]:
    """Estimate means of values [figures, prompts]."""
    return _estimate(lambda weights: values @ weights.T / weights.sum(axis=1), values.shape[1], how)


def _estimate(weighted: Weighted, prompts: int, how: Resampling | None) -> list[Estimate]:
    """Draw prompts and estimate every figure."""
    # Imported here: it takes a second, and the web server loads the module.
    from scipy import stats

    how = how or Resampling()
    if not prompts:
        raise InputError(
            "nothing can be estimated",
            expected="at least one prompt with a value",
            found="none",
            remedy="evaluate first, or look at the filter",
        )
    values = weighted(np.ones((1, prompts)))[:, 0].tolist()
    if prompts == 1:
        return [Estimate(value, None, None, None, 1) for value in values]

    def of_draws(places: np.ndarray, axis: int) -> np.ndarray:
        """Turn places [draws, drawn] into weights; scipy also asks for a single draw [drawn]."""
        draws = np.atleast_2d(places)
        cells = draws + prompts * np.arange(len(draws))[:, None]
        weights = np.bincount(cells.ravel(), minlength=prompts * len(draws))
        figures = weighted(weights.reshape(len(draws), prompts).astype(np.float64))
        return figures.reshape(len(figures), *places.shape[:-1])

    options = {"confidence_level": how.level, "vectorized": True, "rng": how.seed}
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # percentiles stand in below
        drawn = stats.bootstrap(
            (np.arange(prompts),),
            of_draws,
            n_resamples=how.draws,
            batch=max(1, BATCH_CELLS // prompts),
            method="BCa",
            **options,
        )
    percentiles = stats.bootstrap(
        (np.arange(prompts),),
        of_draws,
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
