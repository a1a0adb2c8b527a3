"""Declarations of assets: inputs, settings, checks and partitions, as Dagster definitions.

`declare` wraps `dagster.asset`: the body takes a `Step` and returns `Made`. Not here: how a step is
run and recorded (`assets.materialize`).
Concept: https://docs.dagster.io/guides/build/assets
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from assets.materialize import Made, Step, Warnings, materialize, skip
from assets.metadata import column_schema, describe_settings
from assets.resources import LakeResource
from assets.study import Study
from training.settings.loop import LoopSettings
from transforms.lake.locks import lock_slice
from transforms.lake.pinned_lake import PinnedLake
from transforms.lake.records import materializations
from transforms.lake.schemas.table import SHARED, Table
from transforms.views.statements import read_description

READS = "reads"
"""Metadata key of the upstream assets that an asset reads, by experiment."""

Decorator = Callable[[Callable[[Step], Made]], dg.AssetsDefinition]
"""Turns the body of an asset into its definition."""


def asset_key(name: str) -> dg.AssetKey:
    """Return the key of an asset with a name such as `iteration_2/generations`."""
    return dg.AssetKey(name.split("/"))


def declare(
    study: Study,
    name: str,
    *,
    group: str,
    table: Table | None = None,
    deps: Sequence[str] = (),
    reads: Callable[[LoopSettings], Sequence[str]] | None = None,
    settings: Callable[[LoopSettings], Mapping[str, Any]] = lambda loop: {},
    partitioned: bool = False,
    applies_to: Callable[[LoopSettings], bool] | None = None,
    checks: Sequence[str] = (),
    warnings: Sequence[Warnings] = (),
    scope: Callable[[Step], Mapping[str, object]] = lambda step: {},
    accelerator: bool = False,
    kinds: Sequence[str] = (),
    description: str | None = None,
) -> Decorator:
    """Declare an asset of a study.

    Args:
        study: the study that the asset belongs to.
        name: its key, parts separated by `/`.
        group: its group in the lineage graph.
        table: declaration of the table that it writes. The asset's page shows its grain and its
            columns.
        deps: names of the assets that it reads.
        reads: returns the part of `deps` that an experiment reads, from its loop settings; all of
            `deps` by default. A change of the other assets does not make the experiment stale.
        settings: returns the settings that its rows or weights depend on, from the loop settings.
        partitioned: whether every experiment has its own materialization.
        applies_to: returns whether an experiment has the asset, from its loop settings; every
            experiment has it by default. All assets of a job share one set of partitions, so the
            other experiments have a partition, too: their step makes nothing and records nothing.
            `settings` and `reads` are not called for them.
        checks: files of `sql/checks` whose rows are failures. A failure stops the downstream
            assets.
        warnings: checks that only warn.
        scope: returns the columns of the slice that the step writes; `checks` ignore failing rows
            of other slices.
        accelerator: whether it needs the one slot of the pool `gpu`.
        kinds: labels in the lineage graph.
        description: text of the asset's page after the grain; by default the body's docstring.
    """
    experiments = list(study.recipe.experiments) if partitioned else [SHARED]
    loops = {
        experiment: loop
        for experiment, loop in zip(experiments, map(study.loop, experiments), strict=True)
        if applies_to is None or applies_to(loop)
    }
    resolved = {experiment: settings(loop) for experiment, loop in loops.items()}
    own = study.recipe.loop
    has_own = partitioned and (applies_to is None or applies_to(own))
    read = {experiment: tuple(reads(loop) if reads else deps) for experiment, loop in loops.items()}
    warned = Warnings.join(warnings)

    def decorate(body: Callable[[Step], Made]) -> dg.AssetsDefinition:
        texts = [table.grain if table else None, description or inspect.getdoc(body)]

        @dg.asset(
            key=asset_key(name),
            group_name=group,
            deps=[asset_key(dep) for dep in deps],
            partitions_def=study.experiments if partitioned else None,
            description=" ".join(filter(None, texts)),
            metadata=_describe_asset(
                table, settings(own) if has_own else None, resolved, read if reads else {}
            ),
            check_specs=_specify_checks(name, checks, warned),
            pool="gpu" if accelerator else None,
            kinds=set(kinds),
        )
        def asset(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
            experiment = context.partition_key if partitioned else SHARED
            if experiment not in loops:
                return skip(context, experiment, [*checks, *warned.checks])
            opened = lake.open()
            before = materializations.read_version(opened)
            with lock_slice(opened, name, experiment, wait=context.log.warning):
                inputs = materializations.find_output_ids(opened, read[experiment], experiment)
                written = materializations.find_written(opened, inputs, experiment)
                step = Step(
                    study,
                    PinnedLake(opened.root, inputs, written),
                    name,
                    experiment,
                    loops[experiment],
                    context.log,
                    inputs,
                    resolved[experiment],
                )
                return materialize(context, step, body, checks, scope, warned, before)

        return asset

    return decorate


def _describe_asset(
    table: Table | None,
    recipe: Mapping[str, Any] | None,
    settings: Mapping[str, Mapping[str, Any]],
    reads: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Return an asset's metadata: its table's columns, and settings and inputs per experiment."""
    metadata = describe_settings(recipe, settings)
    if table is not None:
        metadata["dagster/column_schema"] = column_schema(table)
    if reads:
        named = {experiment: list(names) for experiment, names in reads.items()}
        metadata[READS] = dg.MetadataValue.json(named)
    return metadata


def _specify_checks(
    name: str, checks: Sequence[str], warnings: Warnings
) -> list[dg.AssetCheckSpec]:
    """Return the checks of an asset: those that stop a run, then those that warn."""
    key = asset_key(name)
    return [
        dg.AssetCheckSpec(
            check, asset=key, blocking=True, description=read_description("checks", check)
        )
        for check in checks
    ] + [
        dg.AssetCheckSpec(check, asset=key, blocking=False, description=text)
        for check, text in warnings.checks.items()
    ]
