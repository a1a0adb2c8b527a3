"""The body of a training asset: run a stage, record its checkpoint, metrics and dropped rows."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from assets.materialize import Made, Step
from assets.metadata import picture, show, table_preview
from training.models.checkpoint import require_model
from training.settings.training import ReferenceSettings, TrainingSettings
from training.stages import STAGES
from transforms.errors import InputError
from transforms.lake.enforcement import add_keys
from transforms.lake.records import checkpoints
from transforms.lake.records.checkpoints import Checkpoint
from transforms.lake.records.reference_logps import ReferenceLogps
from transforms.measures.training_curves import describe_end, select_last_values
from transforms.pairs.objectives import OBJECTIVES
from transforms.sources.intake.ledger import write_dropped_examples

if TYPE_CHECKING:
    from training.runs.examples import Rows
    from training.runs.run_record import TrainingRun


def train(
    step: Step,
    stage: str,
    rows: "Rows",
    settings: TrainingSettings,
    *,
    start: Checkpoint,
    reference: Checkpoint | None = None,
    iteration: int = 0,
    unusable: pl.DataFrame | None = None,
    **models: Checkpoint,
) -> Made:
    """Run a training stage and record its checkpoint; a killed training continues.

    Args:
        step: the asset's step.
        stage: name in `training.stages.STAGES`.
        rows: its rows: a frame, or frames that are read once.
        settings: its settings.
        start: the model whose weights it starts from.
        reference: the reference policy. For an objective with `sides`, it runs over the sequences
            that are not yet in the table `reference_logps`.
        iteration: iteration of the checkpoint's row; 0 outside the loop.
        unusable: rows for the ledger: prompts without an example (row_key, reason, evidence).
        models: the other models of `Stage.models`, by parameter name.
    """
    # Imported here, because Dagster's web server loads the definitions and must not load torch.
    from training.runs.kept_checkpoints import locate_kept_folder
    from training.runs.launch import launch
    from transforms.views.plots.thumbnails import draw_training
    from transforms.views.plots.training import render_training_curves

    if trained := _find_trained(step):
        return trained
    reference_metadata: dict[str, Any] = {}
    objective = OBJECTIVES.get(stage)
    if objective is not None and objective.sides:
        rows = objective.complete_rows(rows, settings.micro_batch_size, step.seed)
        rows, dropped, reference_metadata = _add_reference_logps(
            step, rows, objective.sides, settings, start, reference
        )
        unusable = dropped if unusable is None else pl.concat([unusable, dropped])
    if reference is not None:
        models["reference"] = reference
    stage_models = {name: models[name] for name in STAGES[stage].models}
    folder = checkpoints.claim_workspace(step.lake, **_describe(step))
    kept = {share: locate_kept_folder(folder, share) for share in settings.kept_shares}
    with step.track():
        run = _read_finished(step, folder, kept) or launch(
            stage,
            rows,
            folder,
            settings,
            seed=step.seed,
            dtype=step.dtype,
            report=step.report,
            **{
                name: one.path for name, one in {STAGES[stage].start: start, **stage_models}.items()
            },
        )
    slice_ = {"asset": step.asset, "experiment": step.experiment}
    metrics = add_keys(run.metrics, iteration=iteration, **slice_)
    step.lake.overwrite("training_metrics", metrics, **slice_)
    dropped = run.dropped if unusable is None else pl.concat([unusable, run.dropped])
    write_dropped_examples(step.lake, dropped, **slice_)
    save = partial(
        save_model,
        step,
        kind=STAGES[stage].kind,
        parent_id=start.checkpoint_id,
        reference_id=reference.checkpoint_id if reference else "",
        iteration=iteration,
        environment=run.environment,
    )
    for share, one in kept.items():  # first, because the last model's row completes the step
        if one.is_dir():
            save(one, share=share)
    made = save(folder)
    return Made(
        made.output_id,
        {
            **show(draw_training(metrics), "curves"),
            **describe_end(metrics),
            "training_curves": picture(render_training_curves(metrics), "training curves"),
            "last_metrics": table_preview(select_last_values(metrics), 20),
            "examples": run.examples,
            "dropped_examples": dropped.height,
            "optimiser_steps": run.steps,
            "training_s": run.elapsed_s,
            **reference_metadata,
            **made.metadata,
        },
    )


def _find_trained(step: Step) -> Made | None:
    """Return the checkpoint of a run that ended after the training and before its record."""
    found = checkpoints.find_unrecorded(step.lake, **_describe(step))
    if found is None:
        return None
    try:
        step.lake.store.check_model(step.lake.locate(found["path"]), require_model)
    except InputError as error:
        step.log.warning(f"{step.asset} is trained again: {error}")
        return None
    step.log.info(f"{step.asset}: the checkpoint of an interrupted run is complete and is used")
    step.lake.keep("training_metrics", asset=step.asset, experiment=step.experiment)
    return Made(found["checkpoint_id"], {"checkpoint_id": found["checkpoint_id"]})


def _read_finished(step: Step, folder: Path, kept: Mapping[float, Path]) -> "TrainingRun | None":
    """Return the run of a training that is finished and has no row in `checkpoints` yet.

    Args:
        step: the asset's step.
        folder: the training's folder; it gets its name when it is complete.
        kept: folders of the weights after a share of the steps, by share. One that is missing was
            recorded before the row of the last weights failed.
    """
    from training.runs.run_record import read_run

    if not folder.is_dir():
        return None
    try:
        require_model(folder)
        for share, one in kept.items():
            row = _describe(step) | {"asset": f"{step.asset}@{share:g}"}
            if one.is_dir() or checkpoints.find_unrecorded(step.lake, **row) is None:
                require_model(one)
    except InputError as error:
        step.log.warning(f"{step.asset} is trained again: {error}")
        return None
    step.log.info(f"{step.asset}: an earlier run has finished the training; its row is written")
    return read_run(folder)


def _describe(step: Step) -> dict[str, str]:
    """Return the columns of `checkpoints` that identify a training."""
    return {
        "asset": step.asset,
        "experiment": step.experiment,
        "settings": json.dumps(step.settings, sort_keys=True),
        "inputs": json.dumps(step.inputs, sort_keys=True),
    }


def _add_reference_logps(
    step: Step,
    rows: "Rows",
    sides: Sequence[str],
    settings: TrainingSettings,
    start: Checkpoint,
    reference: Checkpoint | None,
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    """Add the reference's log-probabilities to rows, and commit the new ones to the lake.

    Returns:
        The rows that the training reads; if they are a part, the rows that cannot be trained on
        (row_key, reason, evidence); and metadata for the asset's page.
    """
    from training.reference_logps import add_reference_logps

    if reference is None or not isinstance(settings, ReferenceSettings):
        raise TypeError(f"{step.asset} is trained without a reference")
    dtype = step.dtype
    reference_type = settings.name_reference_type(dtype)
    store = ReferenceLogps(step.lake, reference.checkpoint_id, reference_type, step.commits)
    with store.append_chunks() as commit:
        done = add_reference_logps(
            rows,
            start.path,
            reference.path,
            settings,
            dtype=dtype,
            sides=sides,
            seed=step.seed,
            known=store.read_known,
            commit=commit,
            devices=step.devices,
        )
    step.log.info(
        f"{step.asset}: the reference ran over {done.computed} of {done.sequences} sequences,"
        f" {done.elapsed_s:.1f} s"
    )
    return (
        done.pairs,
        done.dropped,
        {
            "reference_sequences": done.sequences,
            "reference_sequences_computed": done.computed,
            "reference_s": done.elapsed_s,
        },
    )


def save_model(
    step: Step,
    folder: Path,
    *,
    kind: str,
    iteration: int = 0,
    share: float | None = None,
    parent_id: str = "",
    reference_id: str = "",
    environment: Mapping[str, Any] | None = None,
    found: Mapping[str, Any] | None = None,
) -> Made:
    """Move a finished model folder to its content-addressed place; record it in `checkpoints`.

    Args:
        step: the asset's step.
        folder: the model's folder.
        kind: `causal_lm` or `reward_model`.
        iteration: iteration of the row; 0 outside the loop.
        share: share of the training's steps after which the weights were kept; None for the end.
        parent_id: checkpoint that the training started from; empty for the initial model.
        reference_id: checkpoint of the reference; empty without one.
        environment: of the training (`training.runs.environment`); None for the initial model.
        found: what the step found at the places that its settings name, such as a commit.
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
        settings=json.dumps(
            {**step.settings, **({"found": found} if found else {})}, sort_keys=True
        ),
        inputs=json.dumps(step.inputs, sort_keys=True),
        parent_id=parent_id,
        reference_id=reference_id,
        environment=None if environment is None else json.dumps(environment, sort_keys=True),
    )
    return Made(
        checkpoint.checkpoint_id,
        {
            "checkpoint_id": checkpoint.checkpoint_id,
            "path": dg.MetadataValue.path(str(checkpoint.path)),
            "parent_id": parent_id,
            "reference_id": reference_id,
        },
    )
