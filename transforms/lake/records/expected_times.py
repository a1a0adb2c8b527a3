"""Expected seconds of assets: those of their last materializations in the lake.

Not here: predictions for another recipe (`transforms.lake.records.predicted_costs`).
"""

from collections.abc import Iterable

import polars as pl

from transforms.lake.asset_names import shared_noun
from transforms.lake.schemas.table import ORDER


def expect_seconds(costs: pl.DataFrame, assets: Iterable[str], experiment: str) -> dict[str, float]:
    """Return the expected seconds of each asset; one that was never measured is left out.

    The last materialization counts: of the asset for the experiment, else of the asset for another
    experiment, else of the same noun of another iteration.

    Args:
        costs: the table `costs`, possibly without rows.
        assets: names of assets.
        experiment: their experiment.
    """
    found: dict[str | tuple[str, str], float] = {}
    nouns: dict[str, float] = {}
    for asset, made_for, seconds in (
        costs.sort(ORDER).select("asset", "experiment", "elapsed_s").iter_rows()
    ):
        found[asset] = found[asset, made_for] = seconds
        if shared_noun(asset) != asset:
            nouns[shared_noun(asset)] = seconds
    expected = {
        name: found.get((name, experiment), found.get(name, nouns.get(shared_noun(name))))
        for name in assets
    }
    return {name: seconds for name, seconds in expected.items() if seconds is not None}
