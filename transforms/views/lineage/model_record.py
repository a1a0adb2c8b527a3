"""The record of one model: what it is, and the settings and inputs of every step before it.

Not here: the graph of all outputs (`transforms.views.lineage.outputs`).
"""

from collections.abc import Mapping
from typing import Any

from transforms.views.lineage.outputs import Input, Lineage

INITIAL_MODEL = "initial_model"
"""Asset of the model that a study starts from."""

RANDOM_WEIGHTS = "random weights"
"""Base model of a study that starts from no trained model."""


def find_base_model(settings: Mapping[str, Any]) -> str:
    """Return the folder's name, hub id or GGUF file of the model that a study starts from.

    Args:
        settings: recorded settings of the initial model.
    """
    initial = settings.get("model", {})
    model = initial.get("path") or initial.get("gguf") or RANDOM_WEIGHTS
    return str(model["folder"] if isinstance(model, Mapping) else model)


def describe_model(row: Mapping[str, Any], lineage: Lineage, study: str) -> dict[str, Any]:
    """Describe a model and its ancestors, as values that JSON can hold.

    Args:
        row: row of the table `checkpoints`.
        lineage: the outputs of the lake.
        study: name of the study.

    Returns:
        asset, experiment, iteration, kind and checkpoint_id of the row; study; base_model (folder,
        hub id or GGUF file of the initial model, or `random weights`); steps, which are the model
        and all that it was made from, sources first: asset, output_id, settings and inputs of each.
    """
    steps = lineage.upstream([Input("checkpoint", row["asset"], row["checkpoint_id"])])
    settings = next((step.settings for step in steps if step.asset == INITIAL_MODEL), {})
    return {
        "study": study,
        "base_model": find_base_model(settings),
        **{name: row[name] for name in ("asset", "experiment", "iteration", "kind")},
        "checkpoint_id": row["checkpoint_id"],
        "steps": [
            {
                "asset": step.asset,
                "output_id": step.output_id,
                "settings": step.settings,
                "inputs": [vars(one) for one in step.inputs],
            }
            for step in steps
        ],
    }
