"""A recorded training, done again: with the rows, models and settings that the lake has on record.

Lives here: reading a checkpoint's record back into a stage's arguments, and running the stage in a
folder outside the lake, which is only read. Not here: training. The same weights come out where the
same libraries sum in the same order: on a CPU with as many threads as then.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from training.settings.objectives import DPOSettings
from training.settings.training import TrainingSettings
from training.stages import STAGES, Stage
from transforms.errors import InputError
from transforms.identity import derive_seed
from transforms.lake.asset_names import iteration_name
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints
from transforms.lake.records.reference_logps import ReferenceLogps
from transforms.pairs.feedback.refresh import read_refresh_pairs
from transforms.pairs.objectives import OBJECTIVES, TrainedPart
from transforms.prompts import rows_by_split
from transforms.settings.pairs import PairSettings

if TYPE_CHECKING:
    from training.runs.run_record import Report


@dataclass(frozen=True)
class RecordedTraining:
    """A stage's arguments, as the lake has them on record."""

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
    """By the stage's parameter name."""
    reference_id: str | None
    """Checkpoint of the reference, of an objective that has one."""
    share: float | None
    """Of the steps after which the checkpoint was kept; null for the finished one."""


def read_training(lake: Lake, row: Mapping[str, Any]) -> RecordedTraining:
    """Read a training back.

    Args:
        lake: the lake.
        row: of the table `checkpoints`.

    Raises:
        InputError: the checkpoint was not trained, its record names no version of a table, or a
            table's version or a model that it names is gone.
    """
    recorded, inputs = json.loads(row["settings"]), json.loads(row["inputs"])
    stage = next((stage for name, stage in STAGES.items() if name in recorded), None)
    if stage is None:
        raise InputError(
            f"{row['asset']} was not trained",
            expected=f"a checkpoint of {', '.join(STAGES)}",
            found=f"one with the settings {', '.join(recorded) or 'none'}",
            remedy="name a trained one; `prefloop lineage` shows what this one is made from",
        )
    tables = _read_versions(inputs)
    settings = stage.settings.model_validate(recorded[stage.name])
    rows, settings = _read_rows(lake, row, stage.name, settings, recorded, tables)
    trained, _, share = row["asset"].partition("@")
    others = {"reference": row["reference_id"], "reward_model": inputs.get(recorded.get("ranker"))}
    models = {stage.start: row["parent_id"], **{name: others[name] for name in stage.models}}
    return RecordedTraining(
        checkpoint_id=row["checkpoint_id"],
        asset=row["asset"],
        experiment=row["experiment"],
        stage=stage,
        settings=settings,
        seed=derive_seed(recorded["seed"], trained),
        dtype=recorded["dtype"],
        rows=rows,
        tables=tables,
        models={name: _find_model(lake, model) for name, model in models.items()},
        reference_id=row["reference_id"] or None,
        share=float(share) if share else None,
    )


def retrain(
    lake: Lake, training: RecordedTraining, folder: Path, report: "Report | None" = None
) -> str:
    """Run a recorded training in a folder of its own; return the content hash of what it made.

    Args:
        lake: the lake; nothing in it is written.
        training: what to run.
        folder: where the checkpoint is put, outside the lake.
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
    """Add the reference's log-probabilities, from the lake or computed, if the stage needs them."""
    objective = OBJECTIVES.get(training.stage.name)
    if objective is None or not objective.sides:
        return training.rows
    from training.reference_logps import add_reference_logps

    return add_reference_logps(
        objective.complete_rows(training.rows, training.settings.micro_batch_size, training.seed),
        training.models[training.stage.start],
        _find_model(lake, training.reference_id),
        training.settings,
        dtype=training.dtype,
        sides=objective.sides,
        known=ReferenceLogps(lake, training.reference_id, training.dtype).known,
    ).pairs


def _read_versions(inputs: Mapping[str, str]) -> dict[str, int]:
    """Read the versions of tables from recorded inputs; of several slices, the last."""
    named = (value.rpartition("@") for value in inputs.values() if "@" in value)
    found: dict[str, int] = {}
    for table, _, version in named:
        found[table] = max(int(version), found.get(table, 0))
    return found


def _read_rows(
    lake: Lake,
    row: Mapping[str, Any],
    stage: str,
    settings: TrainingSettings,
    recorded: Mapping[str, Any],
    tables: Mapping[str, int],
) -> tuple[pl.DataFrame, TrainingSettings]:
    """Read a stage's rows as its asset does, at the recorded versions; and the run's settings."""
    if "data" in recorded:
        part = _find_part(row, settings, recorded, tables)
        return OBJECTIVES[stage].read_rows(lake, part)[0], settings
    if "demonstrations" in tables:
        rows = lake.read("demonstrations", tables["demonstrations"])
        return rows.select("row_key", "messages"), settings
    if "preference_labels" in tables:
        rows = read_refresh_pairs(
            lake,
            experiment=row["experiment"],
            iteration=row["iteration"],
            oracle=recorded["oracle"],
            mixture=settings.mixture,
            replay=recorded["replay"],
            seed=derive_seed(recorded["seed"], row["asset"]),
            versions=tables,
        )
        return rows, settings
    is_offline_dpo = isinstance(settings, DPOSettings)  # a ranker's own settings have its mixture
    mixture = recorded["mixture"] if is_offline_dpo else settings.mixture
    rows = rows_by_split.select_training_pairs(
        lake.read("preference_pairs", tables["preference_pairs"]),
        lake.read("mixture_pairs", tables["mixture_pairs"], mixture=mixture),
    )
    if is_offline_dpo:
        prompts = rows_by_split.count_iteration_prompts(
            lake.read("prompt_splits", tables["prompt_splits"])
        )
        settings = settings.adapt_to_offline(prompts)
    return rows, settings


def _find_part(
    row: Mapping[str, Any],
    settings: TrainingSettings,
    recorded: Mapping[str, Any],
    tables: Mapping[str, int],
) -> TrainedPart:
    """Find the rows of a policy of the loop; those of the one-shot baseline have its name."""
    is_iterate = row["iteration"] > 0
    last = row["iteration"] if is_iterate else 1
    iterations = range(1 if recorded["data"] == "accumulated" else last, last + 1)
    return TrainedPart(
        experiment=row["experiment"] if is_iterate else row["asset"].partition("/")[0],
        iterations=iterations,
        pairs=PairSettings.model_validate(recorded.get("pairs", {})),
        settings=settings,
        splits=[iteration_name(t) for t in iterations] if is_iterate else (),
        versions=tables,
    )


def _find_model(lake: Lake, checkpoint_id: str) -> Path:
    """Find a recorded model whose content is still that of its name.

    Raises:
        InputError: it is gone, or its content has changed.
    """
    from training.models.checkpoint import hash_checkpoint

    for found in checkpoints.find_checkpoints(lake, {checkpoint_id}):
        if found.path.is_dir() and hash_checkpoint(found.path) == checkpoint_id:
            return found.path
    raise InputError(
        f"the model {checkpoint_id} is not there as it was",
        expected=f"a folder below {lake.root / 'checkpoints'} with this content",
        found="no such folder, or other weights in it",
        remedy="reproduce that one first, or bring it back from a copy",
    )
