"""Standard errors clustered by prompt: of a mean over prompts, and of a ratio of two sums.

Responses to one prompt are not independent, so the prompt is the unit. Of G prompts with sums y_g
and w_g, the ratio v = sum_g y_g / sum_g w_g has

    se^2 = G / (G - 1) * sum_g (y_g - v w_g)^2 / (sum_g w_g)^2

(Liang and Zeger 1986, https://doi.org/10.1093/biomet/73.1.13). With w_g = 1 it is the mean of the
prompts' values, and se = sd(y) / sqrt(G). With w_g the number of a prompt's rows, it is the mean
over all rows; with sums of products and of squares, it is the slope of a regression. The SQL macro
`clustered_error` (`sql/macros`) is the same formula. Not here: intervals
(`transforms.measures.bootstrap`).
"""

import polars as pl


def error_of_mean(values: pl.Expr) -> pl.Expr:
    """Compute the standard error of a mean, one value per prompt; nulls are ignored.

    Null with one value.
    """
    return values.std() / values.count().sqrt()


def error_of_ratio(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    """Compute the standard error of sum(above) / sum(below), one row per prompt.

    Null with one prompt.
    """
    total = below.sum()
    return error_of_residuals(above - above.sum() / total * below) / total


def error_of_residuals(residuals: pl.Expr) -> pl.Expr:
    """Compute the standard error of a sum over prompts; null with one prompt.

    Args:
        residuals: one row per prompt, its value minus the expected value.
    """
    variance = (residuals**2).sum() * pl.len() / (pl.len() - 1)
    return pl.when(pl.len() > 1).then(variance.sqrt())


def higher(first: pl.Expr, second: pl.Expr) -> pl.Expr:
    """Return 1 where first is higher, 0 where second is, 1/2 on a tie; null if either is null."""
    return (first > second).cast(pl.Float64) + (first == second).cast(pl.Float64) / 2
