"""One training asset: run a stage, name its checkpoint by content, keep its metrics and drops."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets.materialize import Made, Step
from assets.metadata import picture, table_preview
from assets.study import Study
from training.settings import TrainingSettings
from transforms.plots.training import training_curves
from transforms.tables import checkpoints, training_metrics
from transforms.tables.checkpoints import Checkpoint


def train(
    study: Study,
    step: Step,
    stage: str,
    rows: pl.DataFrame,
    settings: TrainingSettings,
    *,
    parent: Checkpoint,
    iteration: int = 0,
    **models: Checkpoint,
) -> Made:
    """Run a training stage and record its checkpoint.

    Args:
        study: the study, for seed and dtype.
        step: the asset's step.
        stage: file name in `training`.
        rows: its examples.
        settings: its settings.
        parent: the model whose weights it starts from.
        iteration: iteration of the checkpoint's row; 0 outside the loop.
        models: the models that the stage takes, by argument name.
    """
    # Imported here: the web server loads definitions, and must not load torch.
    from training.launch import launch

    folder = checkpoints.workspace(step.lake, step.asset, step.experiment)
    run = launch(
        stage,
        rows,
        folder,
        settings,
        seed=study.seed(step.asset),
        dtype=study.recipe.model.dtype,
        report=step.report,
        **{name: model.path for name, model in models.items()},
    )
    slice_ = {"asset": step.asset, "experiment": step.experiment}
    metrics = training_metrics.in_slice(run.metrics, iteration=iteration, **slice_)
    step.lake.overwrite("training_metrics", metrics, **slice_)
    training_metrics.record_dropped(step.lake, run.dropped, **slice_)
    made = save_model(
        step,
        folder,
        kind="reward_model" if stage == "reward_model" else "causal_lm",
        parent_id=parent.checkpoint_id,
        reference_id=models["reference"].checkpoint_id if "reference" in models else "",
        iteration=iteration,
    )
    return Made(
        made.output_id,
        {
            **made.metadata,
            "examples": run.examples,
            "dropped_examples": run.dropped.height,
            "optimiser_steps": run.steps,
            "training_s": run.elapsed_s,
            "training_curves": picture(training_curves(metrics), "training curves"),
            "last_metrics": table_preview(training_metrics.last_step(metrics), 20),
        },
    )


def save_model(step: Step, folder: Path, *, kind: str, iteration: int = 0, **ids: Any) -> Made:
    """Name a finished model folder by its content and record it in `checkpoints`."""
    from training.checkpoint import checkpoint_id

    checkpoint = checkpoints.record(
        step.lake,
        folder,
        experiment=step.experiment,
        iteration=iteration,
        asset=step.asset,
        checkpoint_id=checkpoint_id(folder),
        kind=kind,
        settings=json.dumps(step.settings, sort_keys=True),
        inputs=json.dumps(step.inputs, sort_keys=True),
        **ids,
    )
    return Made(
        checkpoint.checkpoint_id,
        {
            "checkpoint_id": checkpoint.checkpoint_id,
            "path": dg.MetadataValue.path(str(checkpoint.path)),
            **ids,
        },
    )
