"""Reproduction of a recorded training from the rows, models and settings in the lake.

A checkpoint's record becomes the arguments of its stage, which runs in a folder outside the lake;
the lake is only read. The weights are equal if the same libraries sum in the same order, which the
recorded environment decides (`training.runs.environment`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from training.rewards.recorded_parts import read_parts
from training.settings.objectives import DPOSettings, RLOORun
from training.settings.stages import TrainedRankerSettings
from training.settings.training import ReferenceSettings, TrainingSettings
from training.stages import STAGES, Stage
from transforms.errors import InputError
from transforms.identity import derive_seed
from transforms.lake.asset_names import iteration_name
from transforms.lake.lake import Lake
from transforms.lake.pinned_lake import PinnedLake
from transforms.lake.records import checkpoints, materializations
from transforms.lake.records.reference_logps import ReferenceLogps
from transforms.pairs.feedback.refresh import read_refresh_pairs
from transforms.pairs.objectives import OBJECTIVES, TrainedPart
from transforms.prompts import rows_by_split
from transforms.settings.pairs import PairSettings

if TYPE_CHECKING:
    from training.runs.run_record import Report


@dataclass(frozen=True)
class RecordedTraining:
    """The recorded arguments of a training stage."""

    checkpoint_id: str
    asset: str
    experiment: str
    stage: Stage
    settings: TrainingSettings
    seed: int
    dtype: str
    rows: pl.DataFrame
    tables: Mapping[str, int]
    """Delta version of each table that the rows were read from."""
    models: Mapping[str, Path]
    """Folders of the models, by the stage's parameter."""
    reference_id: str | None
    """Checkpoint of the reference; None without one."""
    environment: Mapping[str, Any]
    """Threads, processor and libraries of the training."""
    share: float | None
    """Share of the steps after which the checkpoint was kept; None for the last one."""


def read_training(lake: Lake, row: Mapping[str, Any]) -> RecordedTraining:
    """Read the recorded training of a checkpoint.

    Args:
        lake: the lake.
        row: a row of the table `checkpoints`.

    Raises:
        InputError: the checkpoint was not trained, or a table's version or a model of its record
            no longer exists.
    """
    recorded, inputs = json.loads(row["settings"]), json.loads(row["inputs"])
    stage = next((stage for name, stage in STAGES.items() if name in recorded), None)
    if stage is None:
        raise InputError(
            f"{row['asset']} was not trained",
            expected=f"a checkpoint of a stage: {', '.join(STAGES)}",
            found=f"a checkpoint with the settings {', '.join(recorded) or 'none'}",
            remedy="choose a trained one; `prefloop lineage` shows the inputs of this one",
        )
    written = materializations.find_written(lake, inputs, row["experiment"])
    at_record = PinnedLake(lake.root, inputs, written)
    settings = stage.settings.model_validate(recorded[stage.name])
    rows, settings = _read_rows(at_record, row, stage.name, settings, recorded)
    trained, _, share = row["asset"].partition("@")
    if isinstance(settings, RLOORun):
        parts = read_parts(recorded["rewards"], lambda asset: _find_model(lake, inputs[asset]))
        settings = settings.model_copy(update={"rewards": parts})
    models = {stage.start: row["parent_id"], **dict.fromkeys(stage.models, row["reference_id"])}
    return RecordedTraining(
        checkpoint_id=row["checkpoint_id"],
        asset=row["asset"],
        experiment=row["experiment"],
        stage=stage,
        settings=settings,
        seed=derive_seed(recorded["seed"], trained),
        dtype=recorded["dtype"],
        rows=rows,
        tables=at_record.pinned,
        models={
            name: _find_given_model(model, recorded["given"])
            if "given" in recorded and name == stage.start
            else _find_model(lake, model)
            for name, model in models.items()
        },
        reference_id=row["reference_id"] or None,
        environment=json.loads(row.get("environment") or "{}"),
        share=float(share) if share else None,
    )


def retrain(
    lake: Lake, training: RecordedTraining, folder: Path, report: "Report | None" = None
) -> str:
    """Run a recorded training in a new folder; return the content hash of its checkpoint.

    Args:
        lake: the lake, which is only read.
        training: the training.
        folder: folder of the new checkpoint, outside the lake.
        report: called at every logged step.
    """
    from training.models.checkpoint import hash_checkpoint
    from training.runs.kept_checkpoints import locate_kept_folder
    from training.runs.launch import launch

    launch(
        training.stage.name,
        _complete_rows(lake, training),
        folder,
        training.settings,
        seed=training.seed,
        dtype=training.dtype,
        report=report,
        **training.models,
    )
    return hash_checkpoint(locate_kept_folder(folder, training.share) if training.share else folder)


def _complete_rows(lake: Lake, training: RecordedTraining) -> pl.DataFrame:
    """Return the rows with the reference's log-probabilities, if the stage needs them."""
    objective = OBJECTIVES.get(training.stage.name)
    if objective is None or not objective.sides:
        return training.rows
    from training.reference_logps import add_reference_logps

    settings, reference_id = training.settings, training.reference_id
    if reference_id is None or not isinstance(settings, ReferenceSettings):
        raise TypeError(f"{training.asset} was trained without a reference")
    return add_reference_logps(
        objective.complete_rows(training.rows, settings.micro_batch_size, training.seed),
        training.models[training.stage.start],
        _find_model(lake, reference_id),
        settings,
        dtype=training.dtype,
        sides=objective.sides,
        known=ReferenceLogps(
            lake, reference_id, settings.name_reference_type(training.dtype)
        ).read_known,
    ).pairs


def _read_rows(
    lake: PinnedLake,
    row: Mapping[str, Any],
    stage: str,
    settings: TrainingSettings,
    recorded: Mapping[str, Any],
) -> tuple[pl.DataFrame, TrainingSettings]:
    """Read a stage's rows at the recorded versions; return them and the settings of the run."""
    if "data" in recorded:
        part = _describe_part(row, settings, recorded)
        return OBJECTIVES[stage].read_rows(lake, part)[0], settings
    if "demonstrations" in lake.pinned:
        return pl.concat(rows_by_split.read_demonstrations(lake)), settings
    if "preference_labels" in lake.pinned and isinstance(settings, TrainedRankerSettings):
        rows = read_refresh_pairs(
            lake,
            experiment=row["experiment"],
            iteration=row["iteration"],
            oracle=recorded["oracle"],
            mixture=settings.mixture,
            replay=recorded["replay"],
            seed=derive_seed(recorded["seed"], row["asset"]),
        )
        return rows, settings
    mixture = (
        settings.mixture if isinstance(settings, TrainedRankerSettings) else recorded["mixture"]
    )
    rows = rows_by_split.read_pairs(lake, rows_by_split.list_training_pairs(lake, mixture))
    if isinstance(settings, DPOSettings):
        prompts = rows_by_split.count_iteration_prompts(lake.read("prompt_splits"))
        settings = settings.adapt_to_offline(prompts)
    return rows, settings


def _describe_part(
    row: Mapping[str, Any],
    settings: TrainingSettings,
    recorded: Mapping[str, Any],
) -> TrainedPart:
    """Return the part of the loop's tables that a policy of a chain was trained on."""
    in_loop = row["iteration"] > 0
    last = row["iteration"] if in_loop else 1
    iterations = range(1 if recorded["data"] == "accumulated" else last, last + 1)
    return TrainedPart(
        experiment=row["experiment"] if in_loop else row["asset"].partition("/")[0],
        iterations=iterations,
        pairs=PairSettings.model_validate(recorded.get("pairs", {})),
        settings=settings,
        splits=[iteration_name(t) for t in iterations] if in_loop else (),
    )


def _find_given_model(checkpoint_id: str, given: Mapping[str, Any]) -> Path:
    """Return the folder of a reward model that the recipe has brought.

    Raises:
        InputError: it is missing, or its content has changed.
    """
    from training.models.checkpoint import hash_checkpoint
    from training.rewards.given_model import find_folder

    path = given["read_from"]["path"]
    folder = find_folder(path, given.get("revision"))
    if (found := hash_checkpoint(folder)) != checkpoint_id:
        raise InputError(
            f"the model {path} has changed",
            expected=f"the content {checkpoint_id}",
            found=found,
            remedy="restore its folder from a copy",
        )
    return folder


def _find_model(lake: Lake, checkpoint_id: str) -> Path:
    """Return the folder of a recorded model.

    Raises:
        InputError: it is missing, or its content has changed.
    """
    from training.models.checkpoint import hash_checkpoint

    for row in checkpoints.find_rows(lake, {checkpoint_id}):
        folder = lake.store.fetch_model(lake.locate(row["path"]))
        if folder is not None and hash_checkpoint(folder) == checkpoint_id:
            return folder
    raise InputError(
        f"the model {checkpoint_id} is missing or changed",
        expected=f"a folder in {lake.store.address('checkpoints')} with this content",
        found="no such folder, or other weights in it",
        remedy="reproduce that model first, or restore its folder from a copy",
    )
