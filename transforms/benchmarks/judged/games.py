"""Games: the two orders in which a judge is shown a model's answer and the baseline's.

Lives here: verdict rows of pairwise benchmarks to one preference an item, and how often the order
decides. Not here: what a benchmark makes of preferences.
"""

import polars as pl

ORDERS = ("model", "baseline")
"""Whose answer is shown first."""


def preferences(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Average the share of a win over both orders.

    Args:
        verdicts: item, shown_first (`ORDERS`), share (of a win of the model, [0, 1]; null without
            a verdict), one row a game.

    Returns:
        item, preference, same_winner (whether both orders name the same winner, or both a tie),
        sorted by item; items that lack an order or its verdict are absent.
    """
    return (
        verdicts.drop_nulls("share")
        .group_by("item")
        .agg(
            preference=pl.col("share").mean(),
            orders=pl.col("shown_first").n_unique(),
            winners=(pl.col("share") - 0.5).sign().n_unique(),
        )
        .filter(pl.col("orders") == len(ORDERS))
        .select("item", "preference", same_winner=pl.col("winners") == 1)
        .sort("item")
    )
