"""Search for a model of the lake by its name: the first digits of its id, or its asset.

Not here: rows and pairs that have an id (`transforms.views.lineage.subjects`).
"""

from difflib import get_close_matches
from typing import Any

import polars as pl

from transforms.errors import InputError
from transforms.formats import SHORTEST_ID, shorten_id
from transforms.lake.lake import Lake
from transforms.lake.records.checkpoints import TABLE
from transforms.lake.schemas.table import ORDER

SHOWN = 5
"""Models in an error message."""


def find_model(lake: Lake, name: str) -> dict[str, Any]:
    """Find a model; of one that was recorded several times, return the last row.

    Args:
        lake: the lake.
        name: at least the first `SHORTEST_ID` digits of a checkpoint_id; or an asset, whose last
            model is meant, alone or after its experiment: `sft_policy`,
            `iterative/iteration_2/policy`.

    Returns:
        A row of the table `checkpoints`.

    Raises:
        InputError: no model has the name, or several have it.
    """
    rows = lake.read(TABLE).sort(ORDER)
    full = pl.format("{}/{}", "experiment", "asset")
    last = rows.unique(("experiment", "asset"), keep="last", maintain_order=True)
    found = last.filter((pl.col("asset") == name) | (full == name))
    if found.is_empty() and len(name) >= SHORTEST_ID:
        found = rows.filter(pl.col("checkpoint_id").str.starts_with(name))
    ids = found["checkpoint_id"].unique(maintain_order=True)
    if len(ids) == 1:
        return found.row(-1, named=True)
    near = get_close_matches(
        name, [*last["asset"].unique(maintain_order=True), *last.select(full).to_series()], SHOWN
    )
    shown = [
        f"{row['experiment']}/{row['asset']} {shorten_id(row['checkpoint_id'])}"
        for row in found.tail(SHOWN).iter_rows(named=True)
    ]
    raise InputError(
        f"{len(ids)} models have the name {name}" if shown else f"no model has the name {name}",
        expected=f"the first {SHORTEST_ID} digits or more of a checkpoint_id, an asset, or"
        " experiment/asset",
        found=", ".join(shown) or f"names like it: {', '.join(near) or 'none'}",
        remedy='prefloop sql "select asset, experiment, checkpoint_id, kind from checkpoints"',
    )
