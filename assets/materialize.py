"""One step: what an asset's body is given and returns; running it, its checks, its record.

Lives here: one run of one asset of the lake. Not here: how an asset is declared
(`assets.declare`), what any asset does. A step is timed, its blocking SQL checks are run, a row
each goes to `materializations` and `costs`, and the output id is Dagster's data version. Checks run
in the asset's own step: a process of their own each would cost seconds an iteration.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import dagster as dg

from assets.metadata import table_preview
from training.runs.processes import free_stage_memory
from training.settings.loop import LoopSettings
from transforms.lake.lake import Lake
from transforms.lake.query import check, connect, within
from transforms.lake.records import costs, materializations

PLANNED = "prefloop/planned"
"""Tag of a run: when its assets were found out of date, ISO 8601."""


CONCERN = "concern"
"""Metadata of a check that warns: what is wrong."""


@dataclass(frozen=True)
class Step:
    """What the body of an asset is given."""

    lake: Lake
    asset: str
    experiment: str
    loop: LoopSettings
    log: Any
    inputs: Mapping[str, str]
    settings: Mapping[str, Any]

    def report(self, step: int, total: int, metrics: Mapping[str, float]) -> None:
        """Write a training stage's progress to the Dagster log."""
        figures = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        self.log.info(f"{self.asset}: step {step}/{total}: {figures}")


@dataclass(frozen=True)
class Watch:
    """Checks of an asset that warn: the run goes on, and what was made is recorded."""

    checks: Mapping[str, str] = field(default_factory=dict)
    """What each looks at, by name."""
    look: Callable[[Step], Mapping[str, str]] = lambda step: {}
    """Says what is wrong, by name of the checks that warn, once the asset is made."""


@dataclass(frozen=True)
class Made:
    """What the body of an asset returns."""

    output_id: str
    """What the asset made, by content or by version: `table@version`, or a checkpoint id."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Shown on the asset's page."""


def make(
    context: dg.AssetExecutionContext,
    step: Step,
    body: Callable[[Step], Made],
    checks: Sequence[str],
    scope: Callable[[Step], Mapping[str, str | int]],
    watch: Watch,
) -> dg.MaterializeResult:
    """Run an asset's body and its checks, and record both; what another run has just made stands.

    Two runs that were planned at the same time want the same things. The second finds that what it
    waited for has been made since it was planned, with its settings and from its inputs.
    """
    record = {
        "asset": step.asset,
        "experiment": step.experiment,
        "settings": json.dumps(step.settings, sort_keys=True),
        "inputs": json.dumps(step.inputs, sort_keys=True),
    }
    other = materializations.made_since(step.lake, _planned(context), **record)
    before, started = costs.last_commits(step.lake), time.monotonic()
    if other:
        made = Made(other["output_id"], {"made_by_run": other["run_id"]})
        step.log.info(f"{step.asset} [{step.experiment}] was made by run {other['run_id']}")
    else:
        step.log.info(f"{step.asset} [{step.experiment}] starts")
        made = body(step)
    elapsed_s = time.monotonic() - started
    free_stage_memory()
    results = [_run_check(step.lake, check_name, scope(step)) for check_name in checks]
    if not other and all(result.passed for result in results):
        # A failed check leaves the step unrecorded, so that the next run does it again.
        facts = {"output_id": made.output_id, "run_id": context.run_id, "elapsed_s": elapsed_s}
        materializations.record(step.lake, **record, **facts)
        costs.record(
            step.lake,
            before,
            asset=step.asset,
            experiment=step.experiment,
            metadata=made.metadata,
            settings=step.settings,
            **facts,
        )
    results += _look(step, watch)
    step.log.info(f"{step.asset} [{step.experiment}] done in {elapsed_s:.1f} s: {made.output_id}")
    return dg.MaterializeResult(
        metadata={
            **made.metadata,
            "output_id": made.output_id,
            "inputs": dg.MetadataValue.json(step.inputs),
            "elapsed_s": elapsed_s,
        },
        data_version=dg.DataVersion(made.output_id),
        check_results=results,
    )


def make_nothing(
    context: dg.AssetExecutionContext, experiment: str, checks: Sequence[str]
) -> dg.MaterializeResult:
    """Answer a job that runs an asset for an experiment that does not have it; no record."""
    note = f"experiment {experiment} has no such asset: nothing is made"
    context.log.info(note)
    return dg.MaterializeResult(
        metadata={"note": note},
        check_results=[
            dg.AssetCheckResult(check_name=name, passed=True, metadata={"note": note})
            for name in checks
        ],
    )


def _planned(context: dg.AssetExecutionContext) -> datetime:
    """Say when it was decided that a run is to make its assets: before the run was there."""
    if PLANNED in context.run.tags:
        return datetime.fromisoformat(context.run.tags[PLANNED])
    return context.instance.get_run_record_by_id(context.run_id).create_timestamp


def _look(step: Step, watch: Watch) -> list[dg.AssetCheckResult]:
    """Run the checks that warn."""
    concerns = watch.look(step)
    for concern in concerns.values():
        step.log.warning(f"{step.asset} [{step.experiment}] warning: {concern}")
    return [
        dg.AssetCheckResult(
            check_name=name,
            passed=name not in concerns,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={CONCERN: concerns[name]} if name in concerns else {},
        )
        for name in watch.checks
    ]


def _run_check(lake: Lake, name: str, scope: Mapping[str, str | int]) -> dg.AssetCheckResult:
    """Run one SQL check over a slice."""
    with connect(lake) as connection:
        failures = within(check(connection, name), scope)
    return dg.AssetCheckResult(
        check_name=name,
        passed=failures.is_empty(),
        metadata={"failing_rows": failures.height, "first_failures": table_preview(failures)},
    )
