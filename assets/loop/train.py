"""One training asset: run a stage, name its checkpoint by content, keep its metrics and drops."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets.materialize import Made, Step
from assets.metadata import picture, table_preview
from training.models.checkpoint import require_model
from training.settings.training import ReferenceSettings, TrainingSettings
from training.stages import STAGES
from transforms.errors import InputError
from transforms.lake.enforcement import add_keys
from transforms.lake.records import checkpoints
from transforms.lake.records.checkpoints import Checkpoint
from transforms.lake.records.reference_logps import ReferenceLogps
from transforms.pairs.objectives import OBJECTIVES
from transforms.sources.intake.ledger import write_dropped_examples
from transforms.views.plots.training import render_training_curves, select_last_values


def train(
    step: Step,
    stage: str,
    rows: pl.DataFrame,
    settings: TrainingSettings,
    *,
    start: Checkpoint,
    reference: Checkpoint | None = None,
    iteration: int = 0,
    unusable: pl.DataFrame | None = None,
    **models: Checkpoint,
) -> Made:
    """Run a training stage and record its checkpoint; a run that was killed goes on.

    Args:
        step: the asset's step.
        stage: name in `training.stages.STAGES`.
        rows: its examples.
        settings: its settings.
        start: the model whose weights it starts from.
        reference: the reference that holds the policy; it runs over the sequences of an objective
            with `sides` that `reference_logps` lacks.
        iteration: iteration of the checkpoint's row; 0 outside the loop.
        unusable: what gave no row to train on (row_key, reason, evidence), for the ledger.
        models: the other models of `Stage.models`, by parameter name.
    """
    # Imported here: the web server loads definitions, and must not load torch.
    from training.runs.kept_checkpoints import locate_kept_folder
    from training.runs.launch import launch

    if trained := _trained_before(step):
        return trained
    looked_up: dict[str, Any] = {}
    objective = OBJECTIVES.get(stage)
    if objective is not None and objective.sides:
        rows = objective.complete_rows(rows, settings.micro_batch_size, step.seed)
        rows, looked_up = _look_up(step, rows, objective.sides, settings, start, reference)
    known = {"reference": reference, **models}
    taken = {STAGES[stage].start: start, **{name: known[name] for name in STAGES[stage].models}}
    folder = checkpoints.workspace(step.lake, step.asset, step.experiment)
    run = launch(
        stage,
        rows,
        folder,
        settings,
        seed=step.seed,
        dtype=step.dtype,
        report=step.report,
        **{name: model.path for name, model in taken.items()},
    )
    slice_ = {"asset": step.asset, "experiment": step.experiment}
    metrics = add_keys(run.metrics, iteration=iteration, **slice_)
    step.lake.overwrite("training_metrics", metrics, **slice_)
    dropped = run.dropped if unusable is None else pl.concat([unusable, run.dropped])
    write_dropped_examples(step.lake, dropped, **slice_)
    facts = {
        "kind": STAGES[stage].kind,
        "parent_id": start.checkpoint_id,
        "reference_id": reference.checkpoint_id if reference else "",
        "iteration": iteration,
    }
    for share in settings.kept_shares:  # before the model, by whose row the step counts as done
        save_model(step, locate_kept_folder(folder, share), share=share, **facts)
    made = save_model(step, folder, **facts)
    return Made(
        made.output_id,
        {
            **made.metadata,
            **looked_up,
            "examples": run.examples,
            "dropped_examples": dropped.height,
            "optimiser_steps": run.steps,
            "training_s": run.elapsed_s,
            "training_curves": picture(render_training_curves(metrics), "training curves"),
            "last_metrics": table_preview(select_last_values(metrics), 20),
        },
    )


def _trained_before(step: Step) -> Made | None:
    """Take the checkpoint of a run that died between the training and the end of the step."""
    found = checkpoints.find_unrecorded(
        step.lake,
        asset=step.asset,
        experiment=step.experiment,
        settings=json.dumps(step.settings, sort_keys=True),
        inputs=json.dumps(step.inputs, sort_keys=True),
    )
    if found is None:
        return None
    try:
        require_model(found.path)
    except InputError as error:
        step.log.warning(f"{step.asset} is trained again: {error}")
        return None
    step.log.info(f"{step.asset}: trained by a run that stopped right after; its checkpoint stands")
    return Made(found.checkpoint_id, {"checkpoint_id": found.checkpoint_id})


def _look_up(
    step: Step,
    rows: pl.DataFrame,
    sides: Sequence[str],
    settings: ReferenceSettings,
    start: Checkpoint,
    reference: Checkpoint,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Add the reference's log-probabilities to rows; commit those that were not known."""
    from training.reference_logps import add_reference_logps

    dtype = step.dtype
    store = ReferenceLogps(step.lake, reference.checkpoint_id, dtype)
    done = add_reference_logps(
        rows,
        start.path,
        reference.path,
        settings,
        dtype=dtype,
        sides=sides,
        known=store.known,
        commit=store.commit,
    )
    step.log.info(
        f"{step.asset}: the reference ran over {done.computed} of {done.sequences} sequences,"
        f" {done.elapsed_s:.1f} s"
    )
    return done.pairs, {
        "reference_sequences": done.sequences,
        "reference_sequences_computed": done.computed,
        "reference_s": done.elapsed_s,
    }


def save_model(
    step: Step,
    folder: Path,
    *,
    kind: str,
    iteration: int = 0,
    share: float | None = None,
    **ids: Any,
) -> Made:
    """Name a finished model folder by its content and record it in `checkpoints`.

    Args:
        step: the asset's step.
        folder: the model, moved away.
        kind: `causal_lm` or `reward_model`.
        iteration: of the row; 0 outside the loop.
        share: of the training's steps, where the model is what the weights were then.
        ids: parent_id and reference_id.
    """
    from training.models.checkpoint import hash_checkpoint

    checkpoint = checkpoints.record(
        step.lake,
        folder,
        experiment=step.experiment,
        iteration=iteration,
        asset=step.asset if share is None else f"{step.asset}@{share:g}",
        checkpoint_id=hash_checkpoint(folder),
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
