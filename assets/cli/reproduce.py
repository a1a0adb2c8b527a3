"""A recorded training, done again: with the rows, models and settings that the lake has on record.

Lives here: reading a checkpoint's record back into a stage's arguments, and running the stage in a
folder outside the lake, which is only read. Not here: training. The same weights come out where the
same libraries sum in the same order: on a CPU with as many threads as then.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from training.settings.loop import RLOORun
from training.settings.objectives import DPOSettings, KTOSettings, RAFTSettings
from training.settings.stages import PreferenceModelSettings, RewardModelSettings, SFTSettings
from training.settings.training import TrainingSettings
from transforms.errors import InputError
from transforms.identity import derive_seed
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints
from transforms.lake.records.reference_logps import ReferenceLogps
from transforms.pairs.feedback.refresh import refresh_pairs
from transforms.pairs.responses import prompts_of
from transforms.pairs.training_rows import COMPARED, TABLES, compared_rows, training_rows
from transforms.prompts import rows_by_split
from transforms.settings.pairs import PairSettings

if TYPE_CHECKING:
    from training.runs.run_record import Report

STAGES: dict[str, type[TrainingSettings]] = {
    "sft": SFTSettings,
    "reward_model": RewardModelSettings,
    "preference_model": PreferenceModelSettings,
    "dpo": DPOSettings,
    "kto": KTOSettings,
    "raft": RAFTSettings,
    "rloo": RLOORun,
}
"""The key of a checkpoint's settings that names its stage, and what stands under it."""


@dataclass(frozen=True)
class RecordedTraining:
    """A stage's arguments, as the lake has them on record."""

    checkpoint_id: str
    asset: str
    experiment: str
    stage: str
    settings: TrainingSettings
    seed: int
    dtype: str
    rows: pl.DataFrame
    tables: Mapping[str, int]
    """Delta version of each table that the rows were read from."""
    models: Mapping[str, Path]
    """By the stage's parameter name."""
    reference_id: str | None
    """Of an objective that a reference holds."""
    share: float | None
    """Of the steps after which the checkpoint was kept; null for the finished one."""


def recorded_training(lake: Lake, row: Mapping[str, Any]) -> RecordedTraining:
    """Read a training back.

    Args:
        lake: the lake.
        row: of the table `checkpoints`.

    Raises:
        InputError: the checkpoint was not trained, its record names no version of a table, or a
            table's version or a model that it names is gone.
    """
    recorded = json.loads(row["settings"])
    stage = next((name for name in STAGES if name in recorded), None)
    if stage is None:
        raise InputError(
            f"{row['asset']} was not trained",
            expected=f"a checkpoint of {', '.join(STAGES)}",
            found=f"one with the settings {', '.join(recorded) or 'none'}",
            remedy="name a trained one; `prefloop lineage` tells where this one is from",
        )
    settings = STAGES[stage].model_validate(recorded[stage])
    tables = _versions(json.loads(row["inputs"]))
    rows, settings = _rows(lake, row, stage, settings, recorded, tables)
    parent = "model" if stage == "sft" else "start" if stage in TABLES else "policy"
    trained, _, share = row["asset"].partition("@")
    models = {parent: row["parent_id"]}
    if stage == "rloo":
        ranker = json.loads(row["inputs"])[recorded["ranker"]]
        models |= {"reference": row["reference_id"], "reward_model": ranker}
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
        models={name: _model(lake, model) for name, model in models.items()},
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
    from training.models.checkpoint import checkpoint_id
    from training.runs.kept_checkpoints import kept_folder
    from training.runs.launch import launch

    rows = training.rows
    if training.stage in COMPARED:
        rows = _with_reference(lake, training)
    launch(
        training.stage,
        rows,
        folder,
        training.settings,
        seed=training.seed,
        dtype=training.dtype,
        report=report,
        **training.models,
    )
    return checkpoint_id(kept_folder(folder, training.share) if training.share else folder)


def _with_reference(lake: Lake, training: RecordedTraining) -> pl.DataFrame:
    """Add the reference's log-probabilities: those that the lake holds, the others computed."""
    from training.reference_logps import with_reference_logps

    batch = training.settings.micro_batch_size
    rows, sides = compared_rows(training.stage, training.rows, batch, training.seed)
    return with_reference_logps(
        rows,
        training.models["start"],
        _model(lake, training.reference_id),
        training.settings,
        dtype=training.dtype,
        sides=sides,
        known=ReferenceLogps(lake, training.reference_id, training.dtype).known,
    ).pairs


def _versions(inputs: Mapping[str, str]) -> dict[str, int]:
    """Take the versions of tables from recorded inputs; of several slices, the last."""
    named = (value.rpartition("@") for value in inputs.values() if "@" in value)
    found: dict[str, int] = {}
    for table, _, version in named:
        found[table] = max(int(version), found.get(table, 0))
    return found


def _rows(
    lake: Lake,
    row: Mapping[str, Any],
    stage: str,
    settings: TrainingSettings,
    recorded: Mapping[str, Any],
    tables: Mapping[str, int],
) -> tuple[pl.DataFrame, TrainingSettings]:
    """Read a stage's rows as its asset does, at the recorded versions."""
    if stage == "sft":
        rows = lake.read("demonstrations", tables["demonstrations"])
        return rows.select("row_key", "messages"), settings
    if stage in TABLES and TABLES[stage][0] in tables:
        return _loop_rows(lake, row, stage, recorded, tables), settings
    if "preference_labels" in tables:
        return (
            refresh_pairs(
                lake,
                experiment=row["experiment"],
                iteration=row["iteration"],
                oracle=recorded["oracle"],
                mixture=settings.mixture,
                replay=recorded["replay"],
                seed=derive_seed(recorded["seed"], row["asset"]),
                versions=tables,
            ),
            settings,
        )
    mixture = recorded["mixture"] if stage == "dpo" else settings.mixture
    rows = rows_by_split.training_pairs(
        lake.read("preference_pairs", tables["preference_pairs"]),
        lake.read("mixture_pairs", tables["mixture_pairs"], mixture=mixture),
    )
    if stage == "dpo":
        prompts = rows_by_split.iteration_sizes(lake.read("prompt_splits", tables["prompt_splits"]))
        settings = settings.model_copy(update={"max_steps": _offline_steps(settings, prompts)})
    return rows, settings


def _loop_rows(
    lake: Lake,
    row: Mapping[str, Any],
    stage: str,
    recorded: Mapping[str, Any],
    tables: Mapping[str, int],
) -> pl.DataFrame:
    """Read the rows of a loop's training; a chain outside the loop names its slice itself."""
    inside = row["iteration"] > 0
    last = row["iteration"] if inside else 1
    first = 1 if recorded["data"] == "accumulated" else last
    if stage == "rloo":
        splits = lake.read("prompt_splits", tables["prompt_splits"])["split"].unique()
        sampled = [f"iteration_{t}" for t in range(first, last + 1)] if inside else [
            split for split in splits if split.startswith("iteration_")
        ]  # fmt: skip
        return prompts_of(lake, sampled, tables)
    rows, _ = training_rows(
        lake,
        stage,
        PairSettings.model_validate(recorded.get("pairs", {})),
        recorded[stage].get("rule", ""),
        experiment=row["experiment"] if inside else row["asset"].partition("/")[0],
        iteration=last,
        first_iteration=first,
        versions=tables,
    )
    return rows


def _offline_steps(settings: DPOSettings, prompts: list[int]) -> int:
    """Count the optimiser steps of all iterations, as many as offline DPO takes."""
    return sum(
        settings.max_steps or math.ceil(count * settings.epochs / settings.batch_size)
        for count in prompts
    )


def _model(lake: Lake, checkpoint_id: str) -> Path:
    """Find a recorded model, and see that it is still what its name says.

    Raises:
        InputError: it is gone, or its content has changed.
    """
    from training.models.checkpoint import checkpoint_id as content_of

    for found in checkpoints.all_of(lake, {checkpoint_id}):
        if found.path.is_dir() and content_of(found.path) == checkpoint_id:
            return found.path
    raise InputError(
        f"the model {checkpoint_id} is not there as it was",
        expected=f"a folder below {lake.root / 'checkpoints'} with this content",
        found="no such folder, or other weights in it",
        remedy="reproduce that one first, or bring it back from a copy",
    )
