"""A judge's noise: how much its verdicts differ when a request is repeated.

Not here: the choice of the items to repeat (`training.benchmarks.verdict_requests`). A judge that
decodes greedily on one machine repeats its verdicts, so its noise is 0; a server's judge may not.
"""

import polars as pl

from transforms.measures import bootstrap
from transforms.measures.bootstrap import Estimate, Resampling

REQUEST = ["item", "turn", "shown_first"]


def measure_noise(verdicts: pl.DataFrame, how: Resampling | None = None) -> dict[str, Estimate]:
    """Measure how much repeats of a request differ.

    Args:
        verdicts: item, turn, shown_first, repeat (repeat 0 is used in scores), share (of a win) and
            rating (1 to 10); one of the two is null, both without a verdict.
        how: number of draws, level, seed; items are resampled.

    Returns:
        Empty if no request was repeated. `judge_flips`: share of repeats with another winner, or
        another rating, than repeat 0. `judge_sd`: standard deviation between repeats of a request,
        in ratings or in shares of a win; its error follows from the error of the mean variance.
    """
    value = pl.coalesce("rating", "share")
    outcome = pl.coalesce("rating", (pl.col("share") - 0.5).sign())
    valued = verdicts.with_columns(value=value, outcome=outcome).drop_nulls("value")
    requests = valued.group_by(*REQUEST, maintain_order=True).agg(
        variance=pl.col("value").var(),
        first=pl.col("outcome").filter(pl.col("repeat") == 0).first(),
        later=pl.col("outcome").filter(pl.col("repeat") > 0),
    )
    repeated = requests.filter(pl.col("later").list.len() > 0, pl.col("first").is_not_null())
    if repeated.is_empty():
        return {}
    flips = repeated.explode("later").select(
        prompt_id="item", value=(pl.col("later") != pl.col("first")).cast(pl.Float64)
    )
    variance = bootstrap.estimate_mean(repeated.select(prompt_id="item", value="variance"), how=how)
    return {
        "judge_flips": bootstrap.estimate_mean(flips, how=how),
        "judge_sd": _take_root(variance),
    }


def _take_root(variance: Estimate) -> Estimate:
    """Convert a mean variance to a standard deviation; the error is exact to first order."""
    sd = variance.value**0.5
    error = variance.standard_error
    return Estimate(
        sd,
        None if error is None else error / (2 * sd) if sd else 0.0,
        None if variance.low is None else max(variance.low, 0.0) ** 0.5,
        None if variance.high is None else variance.high**0.5,
        variance.prompts,
    )
