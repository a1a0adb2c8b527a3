"""Stale assets: those whose settings or inputs differ from their last recorded materialization.

Not here: the record itself (`transforms.lake.records.materializations`).
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from assets.compared_settings import list_changes
from assets.declare import READS
from assets.metadata import SETTINGS
from training.models.checkpoint import require_model
from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints, materializations
from transforms.lake.schemas.table import SHARED


def name_of(key: dg.AssetKey) -> str:
    """Return the name of an asset key, parts separated by `/`."""
    return "/".join(key.path)


def list_upstream(node: Any, experiment: str) -> list[str]:
    """Return the assets that an asset of the graph reads for an experiment, sorted.

    The list is empty for an experiment that does not have the asset.
    """
    scope = experiment if node.partitions_def else SHARED
    if read_settings(node, scope) is None:
        return []
    reads = node.metadata.get(READS)
    return sorted(reads.value[scope] if reads else map(name_of, node.parent_keys))


def read_settings(node: Any, scope: str) -> dict[str, Any] | None:
    """Return the settings of an asset of the graph for an experiment, as JSON has them.

    None for an experiment that does not have the asset.
    """
    everything = json.loads(json.dumps(node.metadata[SETTINGS].value))
    found: dict[str, Any] | None = everything.get(scope)
    return found


def stale_assets(
    definitions: dg.Definitions, lake: Lake, experiment: str, forced: Iterable[str] = ()
) -> dict[str, str]:
    """List the assets that a run of an experiment must materialize, upstream first.

    Args:
        definitions: the study's graph.
        lake: its lake.
        experiment: the partition.
        forced: assets to materialize again although nothing changed.

    Returns:
        The reason for each stale asset, by name. An asset downstream of a stale one is stale.
    """
    graph = definitions.resolve_asset_graph()
    made = materializations.read_latest(lake)
    damaged = _damaged_checkpoints(lake, {row["output_id"] for row in made.values()})
    forced = set(forced)
    stale: dict[str, str] = {}
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        name, scope = name_of(key), experiment if node.partitions_def else SHARED
        settings = read_settings(node, scope)
        if settings is None:
            continue  # an asset that the experiment does not have
        upstream = list_upstream(node, experiment)
        reason = _reason(
            made.get((name, scope)),
            settings,
            {
                parent: row["output_id"]
                for parent in upstream
                if (row := made.get((parent, experiment)) or made.get((parent, SHARED)))
            },
        )
        reason = reason or damaged.get(made[name, scope]["output_id"])
        changed = [parent for parent in upstream if parent in stale]
        if name in forced:
            stale[name] = "requested"
        elif reason:
            stale[name] = reason
        elif changed:
            stale[name] = f"{changed[0]} is out of date"
    return stale


def _damaged_checkpoints(lake: Lake, output_ids: set[str]) -> dict[str, str]:
    """Return what is wrong with each damaged checkpoint, by its id."""
    damaged = {}
    for row in checkpoints.find_rows(lake, output_ids):
        try:
            lake.store.check_model(lake.locate(row["path"]), require_model)
        except InputError as error:
            damaged[row["checkpoint_id"]] = str(error).splitlines()[0]
    return damaged


def _reason(
    row: Mapping[str, Any] | None, settings: Mapping[str, Any], inputs: Mapping[str, str]
) -> str | None:
    """Return why a recorded materialization is stale; None if it is not."""
    if row is None:
        return "never materialized"
    if changes := list_changes(json.loads(row["settings"]), settings):
        return "settings changed: " + ", ".join(
            f"{one.key} {json.dumps(one.before)} -> {json.dumps(one.after)}" for one in changes[:3]
        )
    read = json.loads(row["inputs"])
    changed = sorted(key for key in read | inputs if inputs.get(key) != read.get(key))
    return (
        f"{changed[0]} {'changed' if changed[0] in read else 'is a new input'}" if changed else None
    )
