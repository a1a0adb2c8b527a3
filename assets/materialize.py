"""How an asset of the lake is declared: its settings, its inputs' ids, its checks, its record.

`declare` wraps `dagster.asset`: the body is given a `Step` and returns `Made`; the wrapper times
it, runs the blocking SQL checks, appends a row each to `materializations` and `costs`, and reports
the output id as Dagster's data version. Not here: what any asset does.

Checks run in the asset's own step: a process of their own each would cost seconds an iteration.
Concept: https://docs.dagster.io/guides/build/assets
"""

import inspect
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from assets.metadata import table_preview
from assets.resources import LakeResource
from assets.study import Study
from training.settings import LoopSettings
from transforms.tables import costs, materializations
from transforms.tables.lake import Lake
from transforms.tables.locks import writing
from transforms.tables.query import check, connect, describe, within
from transforms.tables.schemas import SHARED

SETTINGS = "settings/"
"""Prefix of the metadata keys that hold an asset's settings, one key an experiment."""

READS = "reads/"
"""Prefix of the metadata keys that name the assets that an experiment reads, of those upstream."""


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
class Made:
    """What the body of an asset returns."""

    output_id: str
    """What the asset made, by content or by version: `table@version`, or a checkpoint id."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Shown on the asset's page."""


def asset_key(name: str) -> dg.AssetKey:
    """Asset key of a name such as `iteration_2/generations`."""
    return dg.AssetKey(name.split("/"))


def declare(
    study: Study,
    name: str,
    *,
    group: str,
    deps: Sequence[str] = (),
    reads: Callable[[LoopSettings], Sequence[str]] | None = None,
    settings: Callable[[LoopSettings], Mapping[str, Any]] = lambda loop: {},
    partitioned: bool = False,
    checks: Sequence[str] = (),
    scope: Callable[["Step"], Mapping[str, str | int]] = lambda step: {},
    accelerator: bool = False,
    kinds: Sequence[str] = (),
    description: str | None = None,
) -> Callable[[Callable[[Step], Made]], dg.AssetsDefinition]:
    """Declare an asset of the lake.

    Args:
        study: the study that it belongs to.
        name: key, parts separated by `/`.
        group: group in the lineage graph.
        deps: names of the assets that it reads.
        reads: those of `deps` that an experiment reads, given the loop's settings; all by default.
            A change of the others leaves the experiment as it is.
        settings: the settings that its rows or weights depend on, given the loop's settings.
        partitioned: whether every experiment has its own.
        checks: files of `sql/checks` whose rows are failures; a failure stops what follows.
        scope: the slice whose failing rows are this asset's; those of others are left out.
        accelerator: whether it takes the one slot of the pool `gpu`.
        kinds: labels in the graph.
        description: text of the asset's page; the body's docstring by default.
    """
    experiments = list(study.recipe.experiments) if partitioned else [SHARED]
    resolved = {experiment: settings(study.loop(experiment)) for experiment in experiments}
    read = {
        experiment: tuple(reads(study.loop(experiment)) if reads else deps)
        for experiment in experiments
    }

    def decorate(body: Callable[[Step], Made]) -> dg.AssetsDefinition:
        @dg.asset(
            key=asset_key(name),
            group_name=group,
            deps=[asset_key(dep) for dep in deps],
            partitions_def=study.experiments if partitioned else None,
            description=description or inspect.getdoc(body),
            metadata={
                SETTINGS + experiment: dg.MetadataValue.json(dict(values))
                for experiment, values in resolved.items()
            }
            | {
                READS + experiment: dg.MetadataValue.json(list(names))
                for experiment, names in read.items()
                if reads
            },
            check_specs=[
                dg.AssetCheckSpec(
                    check_name,
                    asset=asset_key(name),
                    blocking=True,
                    description=describe("checks", check_name),
                )
                for check_name in checks
            ],
            pool="gpu" if accelerator else None,
            kinds=set(kinds),
        )
        def asset(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
            experiment = context.partition_key if partitioned else SHARED
            opened = lake.open()
            with writing(opened, name, experiment, wait=context.log.warning):
                step = Step(
                    opened,
                    name,
                    experiment,
                    study.loop(experiment),
                    context.log,
                    materializations.output_ids(opened, read[experiment], experiment),
                    resolved[experiment],
                )
                return _materialize(context, step, body, checks, scope)

        return asset

    return decorate


def _materialize(
    context: dg.AssetExecutionContext,
    step: Step,
    body: Callable[[Step], Made],
    checks: Sequence[str],
    scope: Callable[[Step], Mapping[str, str | int]],
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
    planned = context.instance.get_run_record_by_id(context.run_id).create_timestamp
    other = materializations.made_since(step.lake, planned, **record)
    before, started = costs.last_commits(step.lake), time.monotonic()
    if other:
        made = Made(other["output_id"], {"made_by_run": other["run_id"]})
        step.log.info(f"{step.asset} [{step.experiment}] was made by run {other['run_id']}")
    else:
        step.log.info(f"{step.asset} [{step.experiment}] starts")
        made = body(step)
    elapsed_s = time.monotonic() - started
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


def _run_check(lake: Lake, name: str, scope: Mapping[str, str | int]) -> dg.AssetCheckResult:
    """Run one SQL check over a slice."""
    with connect(lake) as connection:
        failures = within(check(connection, name), scope)
    return dg.AssetCheckResult(
        check_name=name,
        passed=failures.is_empty(),
        metadata={"failing_rows": failures.height, "first_failures": table_preview(failures)},
    )
