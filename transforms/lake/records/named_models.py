"""Search for a model of the lake by its name: the first digits of its id, its asset, its iteration.

Not here: rows and pairs that have an id (`transforms.views.lineage.subjects`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from transforms.errors import InputError
from transforms.formats import SHORTEST_ID, shorten_id
from transforms.lake.asset_names import (
    BASELINES,
    INITIAL_POLICIES,
    iteration_asset,
    name_model,
    reported_name,
)
from transforms.lake.lake import Lake
from transforms.lake.records.checkpoints import TABLE
from transforms.lake.schemas.table import ORDER
from transforms.unknown_names import list_near

FORMS = (
    "ASSET, EXPERIMENT/ASSET, EXPERIMENT/ITERATION (a policy of the loop), a baseline of the "
    "reports such as one_shot, latest or EXPERIMENT/latest (its last policy)"
)
"""Names of a model, for messages."""

LATEST = "latest"
"""Name of the policy of the loop that was recorded last."""

POLICY = "causal_lm"
"""Kind of the checkpoints that are policies."""

SHOWN = 5
"""Models in an error message."""


def find_model(lake: Lake, name: str) -> dict[str, Any]:
    """Find a model; of one that was recorded several times, return the last row.

    Args:
        lake: the lake.
        name: at least the first `SHORTEST_ID` digits of a checkpoint_id, or a name in one of the
            `FORMS`.

    Returns:
        A row of the table `checkpoints`.

    Raises:
        InputError: no model has the name, or several have it.
    """
    rows = lake.read(TABLE).sort(ORDER)
    last = rows.unique(("experiment", "asset"), keep="last", maintain_order=True)
    named = [(spelling, row) for row in last.to_dicts() for spelling in _list_names(row)]
    experiment, _, end = name.rpartition("/")
    if end == LATEST:
        policies = rows.filter(pl.col("iteration") > 0, kind=POLICY)
        found = policies.filter(experiment=experiment) if experiment else policies
        found = found.tail(1)
    else:
        spelled = [row for spelling, row in named if spelling == name]
        found = pl.DataFrame(spelled, rows.schema)
    if found.is_empty() and len(name) >= SHORTEST_ID:
        found = rows.filter(pl.col("checkpoint_id").str.starts_with(name))
    ids = found["checkpoint_id"].unique(maintain_order=True)
    if len(ids) == 1:
        return found.row(-1, named=True)
    shown = [
        f"{name_model(row['experiment'], row['asset'])} {shorten_id(row['checkpoint_id'])}"
        for row in found.tail(SHOWN).iter_rows(named=True)
    ]
    near = "" if shown else list_near([name], dict.fromkeys(one for one, _ in named))
    raise InputError(
        f"{len(ids)} models have the name {name}" if shown else f"no model has the name {name}",
        expected=f"the first {SHORTEST_ID} digits or more of a checkpoint_id, or {FORMS}",
        found=", ".join(shown) or name,
        remedy=f"did you mean {near}?"
        if near
        else 'prefloop sql "select asset, experiment, checkpoint_id, kind from checkpoints"',
    )


def find_policy(lake: Lake, name: str) -> dict[str, Any]:
    """Find a language model, as in `find_model`.

    Raises:
        InputError: as in `find_model`, or the model is not a language model.
    """
    row = find_model(lake, name)
    if row["kind"] != POLICY:
        raise InputError(
            f"{name} is not a policy",
            expected="a language model, such as sft_policy or iteration_1/policy",
            found=f"{row['asset']}, of the kind {row['kind']}",
            remedy='prefloop sql "select asset, experiment, checkpoint_id, kind from checkpoints"',
        )
    return row


def find_compared_policies(lake: Lake) -> list[dict[str, Any]]:
    """Find π₀ and the selected policy; of several experiments, the best by its metric.

    Returns:
        Rows of `checkpoints`; only π₀, if no policy is selected yet.

    Raises:
        InputError: the lake has no π₀.
    """
    assets = lake.read(TABLE)["asset"]
    initial = next((one for one in INITIAL_POLICIES if one in assets), INITIAL_POLICIES[0])
    found = [find_model(lake, initial)]
    if lake.exists("selected_policies"):
        best = lake.read("selected_policies").sort("value", "experiment", descending=(True, False))
        for experiment, model in best.select("experiment", "model").head(1).rows():
            found.append(find_model(lake, f"{experiment}/{model}"))
    return found


def _list_names(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of a model, besides its id."""
    yield row["asset"]
    yield f"{row['experiment']}/{row['asset']}"
    if row["asset"] == iteration_asset(row["iteration"], "policy"):
        yield f"{row['experiment']}/{row['iteration']}"
    if row["asset"] in BASELINES and reported_name(row["asset"]) != row["asset"]:
        yield reported_name(row["asset"])
