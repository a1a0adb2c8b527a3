"""A step: one materialization of one asset, its checks and its record.

A step runs the asset's body, then its SQL checks. It writes one row to `materializations` and one
to `costs`, and its output id is Dagster's data version. The checks run in the process of the asset,
because one process per check would add seconds to every iteration. Not here: how an asset is
declared (`assets.declare`).
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Self

import dagster as dg
import duckdb

from assets.metadata import table_preview
from assets.study import Study
from training.runs.processes import free_stage_memory
from training.runs.trackers import track_run
from training.settings.loop import LoopSettings
from training.settings.model import DeviceSettings
from transforms.lake.lake import Lake
from transforms.lake.pinned_lake import PinnedLake
from transforms.lake.records import checkpoints, costs, materializations
from transforms.lake.records.checkpoints import Checkpoint
from transforms.settings.commits import CommitSettings
from transforms.views.query import check, connect
from transforms.views.statements import find_names

PLANNED = "prefloop/planned"
"""Tag of a run: the version of `materializations` when its stale assets were listed."""

CONCERN = "concern"
"""Metadata key of a warning: its text."""


@dataclass(frozen=True)
class Step:
    """The argument of an asset's body: the asset, its lake, its experiment, its settings."""

    study: Study
    lake: PinnedLake
    """The lake with its inputs at the versions that their records name; other rows are live."""
    asset: str
    experiment: str
    loop: LoopSettings
    """Settings of the experiment's loop."""
    log: dg.DagsterLogManager
    """Logger of the Dagster run."""
    inputs: Mapping[str, str]
    """Output ids of the upstream assets, by asset."""
    settings: Mapping[str, Any]
    """Recorded settings: a change of one makes the asset stale."""

    @property
    def seed(self) -> int:
        """Return the asset's seed, the same in all experiments."""
        return self.study.seed(self.asset)

    @property
    def dtype(self) -> str:
        """Return the dtype in which models are loaded."""
        return self.study.recipe.model.dtype

    @property
    def devices(self) -> DeviceSettings:
        """Return the GPUs of a stage that runs a model without training it."""
        return self.study.recipe.devices

    @property
    def commits(self) -> CommitSettings:
        """Return when the chunks of a stage are committed."""
        return self.study.recipe.commits

    def track(self) -> AbstractContextManager[None]:
        """Let the trackers of the recipe get what the body logs, as a run named by the asset."""
        recipe, folder = self.study.recipe, self.lake.store.work / "tensorboard"
        return track_run(recipe.report_to, recipe.name, f"{self.experiment}/{self.asset}", folder)

    def model(self, asset: str) -> Checkpoint:
        """Return the checkpoint of an upstream asset that `inputs` names, or that of this asset.

        Args:
            asset: the asset of the model; with `@share`, the weights after a share of its steps.

        Raises:
            InputError: it is missing.
        """
        trained = asset.partition("@")[0]
        if trained == self.asset:
            return checkpoints.find_latest(self.lake, asset, self.experiment)
        return checkpoints.find_recorded(self.lake, asset, self.experiment, self.inputs[trained])

    def report(self, step: int, total: int, metrics: Mapping[str, float]) -> None:
        """Write a training stage's progress to the Dagster log."""
        figures = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        self.log.info(f"{self.asset}: step {step}/{total}: {figures}")


@dataclass(frozen=True)
class Warnings:
    """Checks that warn: the run continues, and the materialization is recorded."""

    checks: Mapping[str, str] = field(default_factory=dict)
    """Descriptions of the checks, by name."""
    find: Callable[[Step], Mapping[str, str]] = lambda step: {}
    """Returns the texts of the warnings, by check; called after the body."""

    @classmethod
    def join(cls, parts: "Sequence[Warnings]") -> Self:
        """Return the checks of all parts."""
        return cls(
            dict(check for part in parts for check in part.checks.items()),
            lambda step: dict(found for part in parts for found in part.find(step).items()),
        )


@dataclass(frozen=True)
class Made:
    """The return value of an asset's body."""

    output_id: str
    """Identity of the output: `table@version`, or a checkpoint id."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Metadata for the asset's page."""


def materialize(
    context: dg.AssetExecutionContext,
    step: Step,
    body: Callable[[Step], Made],
    checks: Sequence[str],
    scope: Callable[[Step], Mapping[str, object]],
    warnings: Warnings,
    version_before: int,
) -> dg.MaterializeResult:
    """Run an asset's body and its checks, and record the materialization.

    Two runs that were planned at the same time may both contain the asset. The second run waits for
    the first. Then it finds a materialization that is newer than its own plan, with equal settings
    and inputs. It uses that output and does not run the body.

    Args:
        context: Dagster's context of the asset.
        step: the step.
        body: makes the output.
        checks: files of `sql/checks`.
        scope: returns the slice that the checks look at.
        warnings: checks that only warn.
        version_before: version of `materializations` before the step waited for other runs. It is
            the plan of a run without the tag `PLANNED`, such as one from the Dagster UI.
    """
    record = {
        "asset": step.asset,
        "experiment": step.experiment,
        "settings": json.dumps(step.settings, sort_keys=True),
        "inputs": json.dumps(step.inputs, sort_keys=True),
    }
    planned = int(context.run.tags.get(PLANNED, version_before))
    other = materializations.find_newer(step.lake, planned, **record)
    before, started = costs.list_last_commits(step.lake), time.monotonic()
    if other:
        made = Made(other["output_id"], {"made_by_run": other["run_id"]})
        step.log.info(f"{step.asset} [{step.experiment}] was already made by run {other['run_id']}")
    else:
        step.log.info(f"{step.asset} [{step.experiment}] starts")
        made = body(step)
    elapsed_s = time.monotonic() - started
    free_stage_memory()
    results = _run_checks(step.lake, checks, scope(step))
    if not other and all(result.passed for result in results):
        # A step with a failed check is not recorded, so the next run repeats it.
        facts = {"output_id": made.output_id, "run_id": context.run_id, "elapsed_s": elapsed_s}
        tables = materializations.describe_written(step.lake.list_written())
        materializations.record(step.lake, **record, tables=tables, **facts)
        costs.record(
            step.lake,
            before,
            asset=step.asset,
            experiment=step.experiment,
            metadata=made.metadata,
            settings=step.settings,
            **facts,
        )
    results += _report_warnings(step, warnings)
    step.log.info(f"{step.asset} [{step.experiment}] done in {elapsed_s:.1f} s: {made.output_id}")
    return dg.MaterializeResult(
        metadata={
            **made.metadata,
            "output_id": made.output_id,
            "inputs": dg.MetadataValue.json(step.inputs),
            "elapsed_s": round(elapsed_s, 3),
        },
        data_version=dg.DataVersion(made.output_id),
        check_results=results,
    )


def skip(
    context: dg.AssetExecutionContext, experiment: str, checks: Sequence[str]
) -> dg.MaterializeResult:
    """Return an empty result for an experiment without the asset; nothing is recorded."""
    note = f"experiment {experiment} does not have this asset: nothing to do"
    context.log.info(note)
    return dg.MaterializeResult(
        metadata={"note": note},
        check_results=[
            dg.AssetCheckResult(check_name=name, passed=True, metadata={"note": note})
            for name in checks
        ],
    )


def _report_warnings(step: Step, warnings: Warnings) -> list[dg.AssetCheckResult]:
    """Run the checks that warn; log their texts."""
    concerns = warnings.find(step)
    for concern in concerns.values():
        step.log.warning(f"{step.asset} [{step.experiment}] warning: {concern}")
    return [
        dg.AssetCheckResult(
            check_name=name,
            passed=name not in concerns,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={CONCERN: concerns[name]} if name in concerns else {},
        )
        for name in warnings.checks
    ]


def _run_checks(
    lake: Lake, names: Sequence[str], scope: Mapping[str, object]
) -> list[dg.AssetCheckResult]:
    """Run SQL checks over a slice on one connection, because opening tables takes time."""
    if not names:
        return []
    with connect(lake, names=find_names("checks", names)) as connection:
        return [_run_check(connection, name, scope) for name in names]


def _run_check(
    connection: duckdb.DuckDBPyConnection, name: str, scope: Mapping[str, object]
) -> dg.AssetCheckResult:
    failures = check(connection, name, scope)
    return dg.AssetCheckResult(
        check_name=name,
        passed=failures.is_empty(),
        metadata={"failing_rows": failures.height, "first_failures": table_preview(failures)},
    )
